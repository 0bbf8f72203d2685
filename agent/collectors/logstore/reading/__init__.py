"""Reading the log: stretches with their proof, and the arithmetic of gaps."""
