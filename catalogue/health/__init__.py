"""How a server is, for machines: whether it is ready, and its figures. No campus and no learner is named in them."""
