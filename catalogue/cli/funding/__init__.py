"""Commands about money: budgets, limits, and what a month came to."""
