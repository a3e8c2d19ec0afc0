"""Open, migrate, watch and check a SQLite or PostgreSQL database."""
