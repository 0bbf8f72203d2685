"""Badges, levels and tiers: what is earned by what was earned, judged from the ledger's own facts. Pure."""
