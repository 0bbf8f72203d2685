"""The position index against tomli: whatever TOML says something, we know where."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import tomli
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.config.document import Document, KeyPath, parse
from tests.effort import examples

NAMES = st.one_of(
    st.from_regex(r"[A-Za-z0-9_-]{1,5}", fullmatch=True),
    st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=5),
)
TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]) | st.sampled_from("\"'\\#]}=,[{é"))
BLANKS = st.sampled_from(["", " ", "\t", "  "])
FILLERS = st.sampled_from(["", " ", "\n", "\n\n  ", " # a comment ] } \" ''' \n", "\n# [no] = table\n\t"])
ENDINGS = st.sampled_from(["\n", "  \n", ' # why = "not"\n', "\n\n# [[x]]\n", "\t\n  \n"])
NUMBERS = st.sampled_from(["1", "-17", "0xFF", "1_000", "1.5", "-3e2", "inf", "true", "false"])
TIMES = st.sampled_from(
    ["2026-09-01", "09:00:00", "2026-09-01 09:00:00", "2026-09-01T09:00:00Z", "2026-09-01T09:00:00.5+02:00"]
)


def quoted(text: str) -> str:
    """A basic string."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


@st.composite
def strings(draw: st.DrawFn) -> str:
    """A text in one of the four kinds of string that can say it."""
    text = draw(TEXTS)
    kinds = [quoted(text), '"""' + quoted(text + "\\")[1:-3] + '"""', '"""\n' + quoted(text)[1:-1] + '\\\n   """']
    if "'" not in text:
        kinds += [f"'{text}'", f"'''\n{text}\n'''", f"'''{text}''''", f"'''{text}'''''"]
    return draw(st.sampled_from(kinds))


@st.composite
def keys(draw: st.DrawFn, name: str) -> str:
    """A name as a bare or quoted key."""
    kinds = [quoted(name)]
    if "'" not in name:
        kinds.append(f"'{name}'")
    if name and all(c.isascii() and (c.isalnum() or c in "_-") for c in name):
        kinds.append(name)
    return draw(st.sampled_from(kinds))


@st.composite
def arrays(draw: st.DrawFn, depth: int) -> str:
    parts = draw(st.lists(values(depth - 1), max_size=3))
    said = [draw(FILLERS) + part + draw(FILLERS) for part in parts]
    comma_at_end = draw(st.booleans())
    trailing = "," if parts and comma_at_end else ""
    return "[" + ",".join(said) + trailing + draw(FILLERS) + "]"


@st.composite
def inline_tables(draw: st.DrawFn, depth: int) -> str:
    names = draw(st.lists(NAMES, max_size=3, unique=True))
    pairs = []
    for name in names:
        dotted = draw(st.sampled_from(["", ".", " . "]))
        key = draw(keys(name)) + (dotted + draw(keys(draw(NAMES))) if dotted else "")
        pairs.append(draw(BLANKS) + key + draw(BLANKS) + "=" + draw(BLANKS) + draw(values(depth - 1)) + draw(BLANKS))
    return "{" + ",".join(pairs) + draw(BLANKS) + "}"


def values(depth: int) -> st.SearchStrategy[str]:
    plain = NUMBERS | TIMES | strings()
    return plain | arrays(depth) | inline_tables(depth) if depth > 0 else plain


@st.composite
def bodies(draw: st.DrawFn) -> str:
    """The keys under one header: plain and dotted, none of them twice."""
    lines = []
    for name in draw(st.lists(NAMES, max_size=3, unique=True)):
        dots = draw(st.lists(NAMES, max_size=2))
        key = (draw(BLANKS) + "." + draw(BLANKS)).join(draw(keys(part)) for part in (f"k{name}", *dots))
        lines.append(draw(BLANKS) + key + draw(BLANKS) + "=" + draw(BLANKS) + draw(values(2)) + draw(ENDINGS))
    return "".join(lines)


@st.composite
def files(draw: st.DrawFn) -> str:
    """A whole file: tables, arrays of tables with tables below them, headers before and after their parents."""
    text = draw(FILLERS) + "\n" + draw(bodies())
    for number, name in enumerate(draw(st.lists(NAMES, max_size=3, unique=True))):
        top = draw(keys(f"{number}{name}"))
        if draw(st.booleans()):
            text += f"[{top}.{draw(keys('s' + draw(NAMES)))}]" + draw(ENDINGS) + draw(bodies())
            text += f"  [ {top} ]" + draw(ENDINGS)
            continue
        for _ in range(draw(st.integers(1, 3))):
            text += draw(BLANKS) + f"[[{top}]]" + draw(ENDINGS) + draw(bodies())
            for _ in range(draw(st.integers(0, 2))):
                text += f"[[ {top} . example ]]" + draw(ENDINGS) + draw(bodies())
            if draw(st.booleans()):
                text += f"[{top}.other]" + draw(ENDINGS) + draw(bodies())
    return text.removesuffix("\n") if draw(st.booleans()) else text


def paths(value: Any, path: KeyPath = ()) -> list[tuple[KeyPath, Any]]:
    """Everything tomli found, with its path."""
    below: list[tuple[str | int, Any]] = []
    if isinstance(value, dict):
        below = list(value.items())
    elif isinstance(value, list):
        below = list(enumerate(value))
    found: list[tuple[KeyPath, Any]] = [(path, value)] if path else []
    for step, one in below:
        found += paths(one, (*path, step))
    return found


def says(document: Document, path: KeyPath, value: Any) -> None:
    """Asserts that the text at the place of ``path`` is its key and its value."""
    place = document.places[path]
    name = path[-1] if isinstance(path[-1], str) else path[-2]
    if isinstance(path[-1], str) or place.headed:
        rest = document.text[place.key :]
        key = next(rest[:end] for end in range(1, len(rest) + 1) if is_key(rest[:end], str(name)))
        assert rest.startswith(key)
    written = document.text[place.value : place.end]
    if place.headed:
        assert written.startswith("[")
        assert written.endswith("]")
    elif (written and place.value != place.key) or not isinstance(value, dict):
        assert tomli.loads(f"v = {written}", parse_float=Decimal)["v"] == value


def is_key(written: str, name: str) -> bool:
    """Whether a piece of text is ``name`` as a key."""
    try:
        return tomli.loads(f"{written} = 1") == {name: 1}
    except tomli.TOMLDecodeError:
        return False


@given(files())
@settings(max_examples=examples(200), deadline=None)
def test_every_key_path_that_tomli_yields_has_a_place_where_the_text_is_that_key_and_that_value(text: str) -> None:
    document = parse(text.encode(), Path("rules.toml"))

    found = paths(document.data)

    assert {path for path, _ in found} == set(document.places)
    for path, value in found:
        says(document, path, value)


@given(files(), st.integers(0, 10_000))
@settings(max_examples=examples(60), deadline=None)
def test_line_and_column_lead_back_to_the_offset_they_were_made_from(text: str, at: int) -> None:
    document = parse(text.encode(), Path("rules.toml"))
    offset = min(at, len(document.text))

    line, column = document.line_column(offset)

    lines = document.text.split("\n")
    assert sum(len(one) + 1 for one in lines[: line - 1]) + column - 1 == offset


@given(files())
@settings(max_examples=examples(60), deadline=None)
def test_windows_line_ends_change_no_line_and_no_column(text: str) -> None:
    plain = parse(text.encode(), Path("rules.toml"))
    windows = parse(text.replace("\n", "\r\n").encode(), Path("rules.toml"))

    assert windows.places == plain.places
