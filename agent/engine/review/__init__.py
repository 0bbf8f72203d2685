"""What somebody's word about a held decision comes to. Pure."""
