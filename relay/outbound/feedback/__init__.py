"""Delivery feedback of providers: read, verified and applied to messages."""
