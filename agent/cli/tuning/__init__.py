"""Commands for changing rules with open eyes: simulate, diff, backfill, schema, import."""
