"""DNS lookups with a cache and a budget per mail."""
