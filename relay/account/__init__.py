"""A user and everything that is theirs, taken along or taken away."""
