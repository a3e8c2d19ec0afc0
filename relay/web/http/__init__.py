"""The HTTP server: uvicorn with connection limits, timeouts and graceful shutdown."""
