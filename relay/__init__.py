"""Mailseal: the mail exchanger for AI agents."""
