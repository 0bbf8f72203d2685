"""How busy each feed is: its events by the hour."""
