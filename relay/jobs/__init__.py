"""A door: what the clock asks for, again and again, while the daemon runs."""
