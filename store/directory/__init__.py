"""Queries on users, keys, sessions, domains and agents."""
