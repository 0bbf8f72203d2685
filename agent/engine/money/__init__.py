"""Currencies as people meet them: lots that expire, and the bounds of corrections by hand."""
