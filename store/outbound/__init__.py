"""Queries on outbound messages, holds, send attempts and feedback."""
