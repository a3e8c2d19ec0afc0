"""The HTTP door: the API of contract §6 over FastAPI."""
