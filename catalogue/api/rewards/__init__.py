"""The doors of rewards: the shelf, the names it is sorted by, and vouchers at a till."""
