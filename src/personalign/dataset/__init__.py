"""The people: what they answered, read from files or simulated."""

from personalign.dataset.people import Respondents

__all__ = ["Respondents"]
