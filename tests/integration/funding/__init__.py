"""What is paid by whom, what is written down, what a month comes to."""
