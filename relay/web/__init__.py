"""HTTP: the REST API (docs/contract.md §6) and web pages, with FastAPI."""
