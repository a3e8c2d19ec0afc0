"""Receive mail: admit recipients, authenticate the sender, store the message."""
