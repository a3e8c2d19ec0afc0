"""The SMTP server, from its pure parts to real sockets."""
