"""Who is who across sites, and who is to be nobody any more."""
