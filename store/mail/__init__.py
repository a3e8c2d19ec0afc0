"""Queries on messages, bodies, the poll queue, deliveries and usage."""
