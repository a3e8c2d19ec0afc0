"""Seals, signatures, secrets and keys."""
