"""DNS lookups: an asynchronous resolver with a cache and a budget per message."""
