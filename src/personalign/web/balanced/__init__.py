"""The balanced view: one question to personas that stand far apart, and where they differ."""
