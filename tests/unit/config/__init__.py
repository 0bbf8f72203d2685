"""Reading the files an administrator edits."""
