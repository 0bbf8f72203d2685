"""The whole program from the outside, as an administrator meets it."""
