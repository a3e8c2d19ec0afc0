"""``mailseal listen``: forward an agent's events to a local program."""
