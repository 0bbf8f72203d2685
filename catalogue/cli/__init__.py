"""The commands of `rewards-catalogue`: arguments in, exit code out."""
