"""What points can be spent on: rewards, the names they are sorted by, who may see and have them, sheets of them."""
