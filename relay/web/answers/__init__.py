"""HTTP responses: problem documents, JSON, files, and limits of request bodies."""
