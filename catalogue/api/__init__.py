"""What other programs may read of a campus's books over HTTP, each with a token of its own."""
