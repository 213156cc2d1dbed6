"""Talking with a persona, beside the model as it is and the mirror image; several views at once."""
