"""What rules pay, read plainly from the contract by code that shares nothing with the engine."""
