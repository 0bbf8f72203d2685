"""Reading a TOML file: what is no TOML 1.0 is told with line, column and the way out."""

from __future__ import annotations

import os
from decimal import Decimal
from pathlib import Path

import pytest

from agent.config.document import Document, Fault, FaultsError, load, parse, shown
from agent.errors import ConfigError

RULES = Path("rules.toml")

BROKEN = [
    ('a = 1\nb = "\\mod_quiz\\event\\x"\n', "2:6", "single quotes: '\\mod_quiz\\event\\…'"),
    ('on = "\\event"', "1:7", "single quotes: '\\mod_quiz\\event\\…'"),
    ('on = "\\user\\x"', "1:7", "single quotes: '\\mod_quiz\\event\\…'"),
    ('on = """\n\\x41"""', "2:1", "single quotes: '\\mod_quiz\\event\\…'"),
    ("award = { points = 1,\n  reputation = 2 }", "1:22", "TOML 1.0 wants an inline table { … } on one line"),
    ("award = { points = 1 # so\n }", "1:22", "TOML 1.0 wants an inline table { … } on one line"),
    ("award = { points = 1, }", "1:23", "a comma before the closing }"),
    ("at = 07:30", "1:6", "TOML 1.0 wants them: 09:00:00"),
    ("a = [ 2026-09-01T07:30Z ]", "1:7", "TOML 1.0 wants them: 09:00:00"),
    ("a = 1\n  a = [\n2]", "3:1", "given before, keep one of the two"),
    ("[a]\n  [a]\n", "2:3", "write [[…]] for each of many"),
    ("a = [1, 2\nb = 3", "2:1", "end it with ]"),
    ("a = { b = 1", "1:12", "end it with } on the same line"),
    ('a = "x\nb = 1', "1:7", "end it with the quote it began with"),
    ("a = yes", "1:5", "true and false are written small"),
    ("mode live", "1:6", 'write key = "value"'),
    ("a = 1 b = 2", "1:7", "a line of its own"),
    ("= 2", "1:1", "neither a [table] nor a key = value"),
    ("a = 2026-02-30", "1:5", "this date or time does not exist"),
    ("[rule", "1:6", "end it with ]"),
    ("a = " + "[" * 5000, "1:1", "nested too deeply"),
    ('a = "\x01"', "1:6", "a sign that cannot be seen stands here (U+0001), delete it"),
    ("a = “x”", "1:5", '“ is a printed quotation mark, write the straight one: "'),
    ("a = ‘x’", "1:5", "‘ is a printed quotation mark, write the straight one: '"),
    ('a = "x”\nb = 1', "1:8", '” closes nothing: write "'),
    ('title = "5 o’clock" x', "1:21", "a line of its own"),
    ("na–me = 1", "1:3", "– is no hyphen, write -"),
    ("a =\u00a01", "1:4", "a space of another kind stands here (U+00A0), write a plain space"),
    ("a\u200b = 1", "1:2", "a sign that cannot be seen stands here (U+200B), delete it"),
    ("a ＝ 1", "1:3", "＝ (U+FF1D) only looks like =, write ="),
    ("a = ١٥", "1:5", "write 1"),
    ("a = 1\rb = 2", "1:6", "save the file with the line ends of Unix (LF)"),
    ("a = 01.11.2026", "1:6", "01.11.2026 is no date here, write 2026-11-01"),
    ("a = { from = 31.12.2026 }", "1:19", "write 2026-12-31"),
    ("a = 03/04/2026", "1:6", "write 2026-04-03 or 2026-03-04"),
    ("a = 12/25/2026", "1:7", "write 2026-12-25"),
    ("a = 2026-9-1", "1:9", "2026-9-1 is no date here, write 2026-09-01"),
    ("a = 2026/09/01", "1:9", "write 2026-09-01"),
    ("a = 8:30", "1:6", 'write it in quotes: "08:30"'),
    ("a = 2,5", "1:6", "2,5 is no number here, write 2.5"),
    ("a = { p = 2,5 }", "1:15", "2,5 is no number here, write 2.5"),
    ("a = 1,000", "1:6", "write 1000"),
    ("a = 1.000.000", "1:10", "write 1000000"),
    ("a = .5", "1:5", "write 0.5"),
    ("a = 50%", "1:7", "a % follows the number, leave it out"),
    ("a = 15,", "1:7", "a , follows the value, leave it out"),
    ("a = 15 ;", "1:8", "a ; follows the value, leave it out"),
    ("a = [1; 2]", "1:7", "values are separated by commas"),
    ("a = 15 // so", "1:8", "comments begin with #"),
    ("a = { b = 1 c = 2 }", "1:13", "put a comma between two keys"),
    ('[[rule]]\nid = "a"\nid = "b"', "3:1", "or begin another one with [[rule]] above it"),
]


@pytest.mark.parametrize(("text", "where", "told"), BROKEN)
def test_what_is_not_toml_is_one_fault_at_its_place_with_the_way_out(text: str, where: str, told: str) -> None:
    with pytest.raises(FaultsError) as caught:
        parse(text.encode(), RULES)

    (fault,) = caught.value.faults
    assert str(fault).startswith(f"rules.toml:{where}: ")
    assert told in str(fault)


def test_numbers_with_a_point_are_exact() -> None:
    assert parse(b"times = 0.1", RULES).data == {"times": Decimal("0.1")}


def test_a_time_with_seconds_and_an_escaped_backslash_before_an_x_are_toml_one() -> None:
    document = parse(rb'a = "\\x"' + b"\nb = 07:30:00", RULES)

    assert document.data["a"] == "\\x"


@pytest.mark.parametrize(
    ("path", "on", "where"),
    [
        (("rule", 1, "award", 0, "points"), "value", (6, 37)),
        (("rule", 1, "award", 0, "points"), "key", (6, 28)),
        (("rule", 1, "award", 1), "value", (7, 2)),
        (("rule", 1), "key", (4, 3)),
        (("rule", 1), "value", (4, 1)),
        (("rule", 1, "no", "such", "key"), "value", (4, 1)),
        (("nothing",), "value", (1, 1)),
    ],
)
def test_a_fault_stands_at_the_key_or_value_it_is_about(path: tuple[str | int, ...], on: str, where: object) -> None:
    text = '# first\n[[rule]]\nid = "a"\n[[rule]]\naward = [\n  { to = "referrer" ,      points = 50 },\n {}]\n'
    fault = parse(text.encode(), RULES).fault(path, "x", on="key" if on == "key" else "value")

    assert (fault.line, fault.column) == where


def test_faults_are_told_once_each_in_the_order_of_the_file() -> None:
    later = Fault(file="rules.toml", line=10, column=2, message="b", hint="c")
    earlier = Fault(file="rules.toml", line=9, column=20, message="a")
    error = FaultsError([later, earlier, later])

    assert str(error) == "rules.toml:9:20: a\nrules.toml:10:2: b, c"
    assert error.exit_code == 2


def test_a_byte_order_mark_is_told_where_it_stands() -> None:
    with pytest.raises(FaultsError, match=r"rules\.toml:1:1: starts with a byte-order mark"):
        parse(b"\xef\xbb\xbfa = 1", RULES)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_a_file_saved_as_utf16_says_how_to_save_it(encoding: str) -> None:
    with pytest.raises(FaultsError, match=r'rules\.toml:1:1: is written in UTF-16, .*save it as "UTF-8 without BOM"'):
        parse("a = 1\n".encode(encoding), RULES)


def test_a_byte_that_is_not_utf8_is_told_by_line_and_column() -> None:
    with pytest.raises(FaultsError, match=r"rules\.toml:2:9: the byte 0xe9 is not UTF-8, save the file as UTF-8"):
        parse("ä = 1\r\nb = 'äöü".encode() + b"\xe9'", RULES)


@pytest.mark.parametrize("trouble", ["missing", "directory", "huge", "loop"])
def test_a_file_that_cannot_be_read_says_why_and_what_to_do(tmp_path: Path, trouble: str) -> None:
    path = tmp_path / "rules.toml"
    told = {"missing": "no such file", "directory": "a directory", "huge": "larger than", "loop": "cannot be read"}
    if trouble == "directory":
        path.mkdir()
    elif trouble == "huge":
        path.write_bytes(b"#" * (4 * 1024 * 1024 + 1))
    elif trouble == "loop":
        path.symlink_to(path)

    with pytest.raises(ConfigError, match=told[trouble]) as caught:
        load(path)

    assert caught.value.hint


def test_a_file_this_user_may_not_read_says_so(tmp_path: Path) -> None:
    path = tmp_path / "rules.toml"
    path.touch(mode=0)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)  # root may read everything, nobody may not
    try:
        with pytest.raises(ConfigError, match="this user may not read it") as caught:
            load(path)
    finally:
        os.seteuid(user)
    assert caught.value.hint.endswith(f": {path}")
    assert "root runs: chown " in caught.value.hint


def test_a_file_below_the_working_directory_is_called_by_its_short_name(tmp_path: Path) -> None:
    assert shown(Path("rules.d") / "a.toml") == "rules.d/a.toml"
    assert shown(tmp_path / "a.toml") == str(tmp_path / "a.toml")


def test_a_service_that_works_in_the_root_of_everything_tells_files_in_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    assert shown(Path("/etc/rewards-agent/rules.toml")) == "/etc/rewards-agent/rules.toml"


def test_a_loaded_document_knows_its_data_and_its_path(tmp_path: Path) -> None:
    path = tmp_path / "rules.toml"
    path.write_text("a = { b = [1, 2] }\n")

    document: Document = load(path)

    assert document.value(("a", "b", 1)) == 2
    assert document.path == path
