"""The site's database: SQLite with no set-up, or PostgreSQL."""
