"""Setting up and looking after: `init` and `doctor`."""
