"""Seals, signatures, tokens and secrets. Pure: nothing here reads a clock, a file or chance."""
