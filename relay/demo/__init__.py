"""Demonstration of the relay: `mailseal demo`."""
