"""The HTTP server: connections, their limits, and stopping."""
