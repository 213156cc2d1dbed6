"""Replies reported as problematic, and the moderators' queue."""
