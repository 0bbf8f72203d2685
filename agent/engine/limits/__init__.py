"""What limits awards, as the rules write it."""
