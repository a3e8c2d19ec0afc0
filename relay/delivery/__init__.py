"""Deliver events to webhooks: claim, post, and record the outcome."""
