"""Commands about kudos and awards."""
