"""Commands about kudos."""
