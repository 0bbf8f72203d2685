"""What rules would do: the same fold as ever, over a past that is kept in memory alone. Pure."""
