"""The way back to campus: what the centre did, told to agents."""
