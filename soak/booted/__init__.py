"""A Debian of its own, booted in an emulator under its own systemd, with the units as they are installed."""
