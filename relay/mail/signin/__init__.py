"""The parts of the search for sign-in codes: the words that name them and the shapes they have."""
