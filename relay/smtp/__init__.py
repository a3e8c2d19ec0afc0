"""The SMTP door: connections, TLS, commands and data in; it decides nothing about mail."""
