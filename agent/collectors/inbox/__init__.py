"""What was posted to us, numbered and on disk before it is answered, and read like any other log."""
