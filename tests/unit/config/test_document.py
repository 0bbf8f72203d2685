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
    ('a = "\x01"', "1:6", "this is not TOML"),
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
