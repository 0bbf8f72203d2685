"""Commands about badges, and what `learner show` says of badges, levels and tiers."""
