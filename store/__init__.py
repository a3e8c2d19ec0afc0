"""Persistence: schema, one function per query, and the engine that groups commits."""
