"""Consent, and the questionnaire: a few items a page, kept as they are answered."""
