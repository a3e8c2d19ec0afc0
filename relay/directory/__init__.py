"""Who exists here: domains, agents, keys and their proofs."""
