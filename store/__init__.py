"""Rows: the schema, one function a query, and the engine that groups commits."""
