"""Authenticate the sender of a message: SPF, DKIM, DMARC and ARC, and one verdict."""
