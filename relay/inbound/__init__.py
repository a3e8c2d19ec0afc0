"""The way in: whether a recipient exists, and taking responsibility for a mail."""
