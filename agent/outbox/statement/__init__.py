"""The way back: the catalogue's statement is asked for, proven and mirrored."""
