"""The running agent: start and stop order, signals, one task per source, delivery, and the door for commands."""
