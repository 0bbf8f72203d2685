"""What can be had for points, and who may have it: the pure parts."""
