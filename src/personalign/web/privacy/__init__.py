"""A person's own control: everything exported, everything deleted, nothing kept for too long."""
