"""What analysts take out: acts in canonical columns, and measures made of them."""
