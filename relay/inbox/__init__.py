"""Read an agent's received mail: list, fetch, wait, lease and stream."""
