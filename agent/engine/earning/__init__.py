"""Ways of earning: amounts worked out from facts, and awards that are decided from sets of what happened. Pure."""
