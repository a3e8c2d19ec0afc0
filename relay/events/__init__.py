"""Webhook and stream events as JSON documents."""
