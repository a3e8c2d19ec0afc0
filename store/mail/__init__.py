"""Queries on messages, bodies, the queue, deliveries and usage."""
