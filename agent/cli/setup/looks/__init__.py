"""What `doctor` looks at, a file for each thing; each gives findings and changes nothing."""
