"""What is decided at a time: rankings, attendance, anniversaries, absence, draws. Pure."""
