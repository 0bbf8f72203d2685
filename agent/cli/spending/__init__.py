"""Spending on campus: what there is, redeeming, and what became of it."""
