"""Pages for people: HTML made here, without scripts and without anything from elsewhere."""
