"""Queries on outbound messages, holds, send attempts, letters and feedback."""
