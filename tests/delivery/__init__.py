"""The way out to a webhook."""
