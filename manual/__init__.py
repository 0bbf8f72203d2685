"""The pages of the manual that are made from the code; `make reference` writes them, a test sees to it."""
