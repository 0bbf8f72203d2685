"""Redemptions: reserve, then fulfil or release. A pure machine in the middle, its books at the rim."""
