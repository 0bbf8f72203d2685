"""The commands: what they print, and how they end."""
