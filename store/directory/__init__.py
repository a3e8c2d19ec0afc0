"""Queries on users, API keys, sessions, domains and agents."""
