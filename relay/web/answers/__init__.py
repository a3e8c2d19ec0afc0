"""Problem documents, bodies and files that the web answers with."""
