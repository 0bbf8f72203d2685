"""The way back to campus: what the centre did to the wallets of one agent's learners, told page by page."""
