"""What tomli could not read, told to somebody who has never read the TOML specification."""

from __future__ import annotations

import tomli

from agent.config.document import meant

_SINGLE_QUOTES = r"in double quotes it starts an escape; write the text in single quotes: '\mod_quiz\event\…'"
_EXPLAINED: tuple[tuple[str, str, str], ...] = (
    ("Unescaped '\\' in a string", "a backslash that starts no escape", _SINGLE_QUOTES),
    ("Invalid hex value", "a \\u, \\U or \\x without its hexadecimal digits", _SINGLE_QUOTES),
    ("Unclosed inline table", "an inline table that is not closed", "end it with } on the same line"),
    ("Unclosed array", "a list that is not closed", "separate its values with commas and end it with ]"),
    ("Unterminated string", "a text that is not closed", "end it with the quote it began with"),
    ("Expected '\"'", "a text that is not closed", "end it with the quote it began with"),
    ('Expected "\'"', "a text that is not closed", "end it with the quote it began with"),
    ("Found invalid character '\\n'", "a text that is not closed in its line", "end it with the quote it began with"),
    ("Illegal character '\\n'", "a text that is not closed in its line", "end it with the quote it began with"),
    ("Expected '=' after a key", "a key without = and a value", 'write key = "value"'),
    ("Invalid value", "this is no TOML value", "texts need quotes, true and false are written small"),
    ("Invalid statement", "neither a [table] nor a key = value", "comments begin with #"),
    ("Expected newline or end of document", "something follows the value", "give each key = value a line of its own"),
    ("Expected ']' at the end", "a [table] header that is not closed", "end it with ]"),
    ("Expected ']]' at the end", "a [[table]] header that is not closed", "end it with ]]"),
    ("Invalid initial character for a key", "a key cannot begin so", "keys are letters, digits, - and _, or quoted"),
    ("Duplicate inline table key", "this key has been given before", "keep one of the two"),
    ("Invalid date or datetime", "this date or time does not exist", "write 2026-09-01 or 2026-09-01T09:00:00Z"),
)
_TOLD_BY_LINE: tuple[tuple[str, str, str], ...] = (
    ("Cannot overwrite a value", "this key or table has been given before", "keep one of the two"),
    ("Cannot declare", "this table has been opened before", "put its keys together, or write [[…]] for each of many"),
    ("Cannot mutate", "this table was closed before", "put its keys in one place"),
    ("Cannot redefine", "this table was closed before", "put its keys in one place"),
)


def in_plain_words(error: tomli.TOMLDecodeError, text: str) -> tuple[int, str, str]:
    """Offset, message and hint of what tomli found, for somebody who has never read the TOML specification."""
    for beginning, message, hint in _TOLD_BY_LINE:
        if error.msg.startswith(beginning):  # tomli notices only behind the value: tell where its line begins
            start = text.rfind("\n", 0, error.pos) + 1
            offset = start + len(text[start:]) - len(text[start:].lstrip(" \t"))
            return offset, message, f"{hint}{_another(text, offset)}"
    recognised = meant.in_text(text, error.pos)
    for beginning, message, hint in _EXPLAINED:
        if error.msg.startswith(beginning):
            if hint == _SINGLE_QUOTES:
                return text.rfind("\\", 0, error.pos), message, hint
            return error.pos, *(recognised or _in_a_table(text, error.pos, message, hint))
    if recognised is not None:
        return error.pos, *recognised
    where = " at the end of the file" if error.pos >= len(text) else ""
    return error.pos, f"this is not TOML{where}: {error.msg[:1].lower()}{error.msg[1:]}", ""


def _in_a_table(text: str, at: int, message: str, hint: str) -> tuple[str, str]:
    """What is told of a { … } that stops: where more follows in its line, only a comma may be missing."""
    if "{ … }" in hint or "}" not in hint or not text[at:].partition("\n")[0].partition("#")[0].strip():
        return message, hint
    return "something follows the value", "put a comma between two keys, and } behind the last value"


def _another(text: str, at: int) -> str:
    """How the key at an offset would begin another of the list of tables that it was given to again."""
    headers = [line.strip() for line in text[:at].splitlines() if line.lstrip().startswith("[")]
    begun = headers[-1].partition("]]")[0] if headers else ""
    key = text[at:].lstrip().startswith(("id", "name", "kind"))
    return f", or begin another one with {begun}]] above it" if begun.startswith("[[") and key else ""
