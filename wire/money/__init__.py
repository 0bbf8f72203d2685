"""Money on the wire: what an account is made of, the terms of currencies, and a campus that spends."""
