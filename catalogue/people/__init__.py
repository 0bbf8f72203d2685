"""One person, one wallet, across the agents of a campus: who is linked with whom, and what each has elsewhere."""
