"""The SMTP server: connections, TLS, commands and data.

It decides nothing about mail.
"""
