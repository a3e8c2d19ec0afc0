"""Backup, restore, copy, export, import, erasure and retention."""
