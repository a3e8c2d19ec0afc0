"""The tables, declared once for SQLite and PostgreSQL."""
