"""Personas for other engines: a model with the push baked in, or the push as a file they read."""
