"""Readers of single header fields: people, message ids, marks of lists and of machines."""
