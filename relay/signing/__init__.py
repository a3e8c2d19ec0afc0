"""Seals, webhook signatures, tokens and secrets.

Pure: no clock, file or randomness.
"""
