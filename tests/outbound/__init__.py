"""The way out to other people: mail composed and carried."""
