"""How much of what there was in a span of time: events, decisions, amounts, spending."""
