"""How the running agent is, for machines: alive, ready, and its figures."""
