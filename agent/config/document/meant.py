"""What was most likely meant where a text is no TOML, or no value: signs that look like others, and other habits.

Office programs print quotation marks and dashes, web pages hand on spaces that are none, and people write dates and
numbers as their country does. Each is told by its name, because on the screen it looks right.
"""

from __future__ import annotations

import re
from datetime import date
from unicodedata import category, decimal, normalize

_DOUBLE, _SINGLE, _DASHES = "“”„‟«»″", "‘’‚‛′´`", "‐‑‒–—―−"
_PRINTED = re.compile(f"[{_DOUBLE}{_SINGLE}]")
_OPENED = re.compile(r"""["'][^"']*$""")
_FIGURES = re.compile(r"[\d.,/:'-]+")
_DAY_FIRST = re.compile(r"(\d{1,2})([./-])(\d{1,2})\2(\d{4})")
_YEAR_FIRST = re.compile(r"(\d{4})([./-])(\d{1,2})\2(\d{1,2})")
_CLOCK = re.compile(r"(\d{1,2}):(\d\d)")
_THOUSANDS = re.compile(r"\d{1,3}(?:([., '\u2019\u00a0\u202f])\d{3})(?:\1\d{3})*")
_COMMA = re.compile(r"(-?\d+),(\d+)")

Told = tuple[str, str]
"""What is wrong, and what to write instead."""


def sign(one: str) -> Told | None:
    """A sign that looks like one of TOML's or cannot be seen; None of every other."""
    if one in _DOUBLE or one in _SINGLE:
        return f"{one} is a printed quotation mark", f"write the straight one: {chr(34) if one in _DOUBLE else chr(39)}"
    if one in _DASHES:
        return f"{one} is no hyphen", "write -"
    if one == "\r":
        return "a line ends here as on old Macs, with CR alone", "save the file with the line ends of Unix (LF)"
    return None if one in " \t\n" else _unseen(one)


def _unseen(one: str) -> Told | None:
    """A space that is no space, what has no width, and what Unicode knows as a form of an ordinary sign."""
    kind, point = category(one), f"U+{ord(one):04X}"
    if kind == "Zs":
        return f"a space of another kind stands here ({point})", "write a plain space"
    if kind.startswith("C"):
        return f"a sign that cannot be seen stands here ({point})", "delete it, or type the line anew"
    plain = str(decimal(one, "")) or normalize("NFKC", one)
    alike = not one.isascii() and plain.isascii()
    return (f"{one} ({point}) only looks like {plain}", f"write {plain}") if alike else None


def in_value(text: str) -> str:
    """The first sign of a value that only looks like another, as a hint; empty where there is none."""
    found = next((told for one in text if (told := sign(one)) is not None), None)
    return f"{found[0]}: {found[1]}" if found is not None else ""


def number(text: str) -> str:
    """How TOML writes a number with marks between its thousands or with a comma; empty where it is neither."""
    if text.count(".") != 1 and _THOUSANDS.fullmatch(text):
        return re.sub(r"\D", "", text)
    return f"{found[1]}.{found[2]}" if (found := _COMMA.fullmatch(text)) else ""


def in_text(text: str, at: int) -> Told | None:
    """What stands at an offset at which TOML could not go on; None where nothing is recognised."""
    begin = text.rfind("\n", 0, at) + 1
    end = text.find("\n", at)
    before, rest = text[begin:at], text[at : end if end >= 0 else len(text)]
    if rest and (told := sign(rest[0])) is not None:
        return told
    if not rest and (opened := _OPENED.search(before)) and (mark := _PRINTED.search(opened[0])):
        return "a text that is not closed in its line", f"{mark[0]} closes nothing: write {opened[0][0]}"
    return _figures(before, rest) or _habit(before, rest)


def _figures(before: str, rest: str) -> Told | None:
    """A date, a time or a number that is written another way, of which TOML read the beginning."""
    begun = re.search(r"[\d.,/:'-]*$", before)
    around = _FIGURES.match((begun[0] if begun else "") + rest)
    if around is None:
        return None
    found = around[0].rstrip(",")
    if (dates := _dates(found)) and dates != [found]:
        return f"{found} is no date here", f"write {' or '.join(dates)}"
    if clock := _CLOCK.fullmatch(found):
        return f"{found} is no time of day here", f'write it in quotes: "{int(clock[1]):02}:{clock[2]}"'
    if plain := number(found):
        return f"{found} is no number here", f"write {plain}"
    return (f"{found} is no number here", f"write 0{found}") if re.fullmatch(r"\.\d+", found) else None


def _dates(found: str) -> list[str]:
    """The days that a date of another form may be: with slashes both where it is open which number is the month."""
    if day := _YEAR_FIRST.fullmatch(found):
        orders = [(day[1], day[3], day[4])]
    elif day := _DAY_FIRST.fullmatch(found):
        orders = [(day[4], day[3], day[1])] + ([(day[4], day[1], day[3])] if day[2] == "/" else [])
    else:
        return []
    written = [f"{year}-{int(month):02}-{int(of):02}" for year, month, of in orders]
    return [day for day in dict.fromkeys(written) if _is_day(day)]


def _is_day(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _habit(before: str, rest: str) -> Told | None:
    """How other languages end a line or begin a comment, and what people write behind a number."""
    if rest.startswith(("//", "--", "/*")):
        return f"{rest[:2]} is no comment here", "comments begin with #"
    if rest.strip() in {",", ";"}:
        return f"a {rest[0]} follows the value", "leave it out"
    if rest.startswith(";"):
        return "a ; follows the value", "values are separated by commas"
    if rest.startswith("%"):
        return "a % follows the number", "leave it out"
    halves = re.search(r"(\d+),(\d+)\s*$", before)
    if halves is not None and rest.startswith((",", "}")):  # in a { … } what follows a comma is a key
        return f"{halves[0].strip()} is no number here", f"write {halves[1]}.{halves[2]}"
    return None
