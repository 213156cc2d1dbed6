"""Serving: many personas from one copy of a model's weights."""
