"""`python -m manual`: write the reference pages anew."""

from __future__ import annotations

from pathlib import Path

from manual.pages import PAGES

REFERENCE = Path(__file__).parents[1] / "docs" / "reference"


def main() -> None:
    """Write every page, and remove none: a page whose maker is gone fails the test of the menu."""
    REFERENCE.mkdir(exist_ok=True)
    for name, made in PAGES.items():
        (REFERENCE / name).write_text(made(), encoding="utf-8")


if __name__ == "__main__":
    main()
