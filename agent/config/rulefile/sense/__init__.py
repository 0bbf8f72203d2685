"""What the rules say together and cannot mean: a file for each way of contradicting oneself."""
