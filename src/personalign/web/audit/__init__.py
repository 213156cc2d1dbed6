"""The audit log: append-only, hash-chained, checked by a command."""
