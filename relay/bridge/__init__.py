"""``mailseal listen``: an agent's events, fetched from any relay and posted to a program near here."""
