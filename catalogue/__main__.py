"""`python -m catalogue`: the same commands without the console script."""

from catalogue.cli.app import main

if __name__ == "__main__":
    main()
