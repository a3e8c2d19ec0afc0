"""The documents of docs/ as pages under /help, without a network."""
