"""Jobs: work that the clock starts again and again while the daemon runs."""
