"""Authentication, scopes, rate limits and idempotency of HTTP requests."""
