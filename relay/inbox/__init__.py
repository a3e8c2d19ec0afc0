"""The agent's own reading: listing, fetching and leasing what arrived."""
