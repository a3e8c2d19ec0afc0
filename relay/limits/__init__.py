"""Counts behind the limits of peers, keys and users: of one process, or shared by the workers of a daemon."""
