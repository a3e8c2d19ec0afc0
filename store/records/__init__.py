"""Frozen records that the queries take and return."""
