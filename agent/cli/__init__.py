"""The commands: arguments in, exit code out; one file per command."""
