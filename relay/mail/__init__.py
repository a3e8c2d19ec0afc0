"""Parse messages (RFC 5322, MIME): headers, addresses, parts, threads. No I/O."""
