"""Who may call a route, how often, and with which collaborators."""
