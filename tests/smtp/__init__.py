"""The SMTP door, from its pure parts to real sockets."""
