"""How commands show rows and tell errors."""

from __future__ import annotations

import fcntl
import json
import os
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from agent.cli import app as agent_app
from agent.cli.failures import told
from agent.cli.frame import emit, emit_json, emit_one, text_of, utc
from agent.errors import ConfigError, IntegrityError, RewardsError, TransientError
from catalogue.cli import app as catalogue_app
from machine.commands import answering
from machine.words import counted, on_screen, plain, size
from tests.pages import programs

ROWS = [{"learner": "moodle:35", "points": 10, "seen_at": None}, {"learner": "moodle:7", "points": -2500, "held": True}]


def code_of(error: BaseException) -> int:
    """The exit code that an error ends a command with."""
    with pytest.raises(typer.Exit) as caught, answering(), told():
        raise error
    return int(caught.value.exit_code)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (RewardsError("x"), 1),
        (TransientError("x"), 1),
        (BrokenPipeError(), 0),
        (ConfigError("x"), 2),
        (IntegrityError("x"), 3),
        (OSError(28, "No space left on device", "/data"), 1),
        (PermissionError(13, "Permission denied", "/data"), 1),
        (ExceptionGroup("x", [TransientError("a"), ExceptionGroup("y", [IntegrityError("b"), ConfigError("c")])]), 3),
    ],
)
def test_an_error_made_on_purpose_ends_a_command_with_its_exit_code(error: Exception, code: int) -> None:
    assert code_of(error) == code


def test_an_error_is_told_on_stderr_with_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    code_of(ConfigError("the door is shut", hint="open it"))

    assert capsys.readouterr() == ("", "the door is shut\n  open it\n")


def test_of_several_errors_at_once_each_is_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    code_of(ExceptionGroup("x", [TransientError("a"), TransientError("a"), ConfigError("b")]))

    assert capsys.readouterr().err == "a\nb\n"


def test_what_the_system_refuses_is_told_with_the_file(capsys: pytest.CaptureFixture[str]) -> None:
    code_of(OSError(28, "No space left on device", "/data/ledger"))

    assert capsys.readouterr().err.startswith("/data/ledger: No space left on device\n")


@pytest.mark.parametrize("error", [ValueError("a mistake"), KeyboardInterrupt()])
def test_what_is_nobody_s_purpose_passes_through(error: BaseException) -> None:
    with pytest.raises(type(error)), answering(), told():
        raise error


def test_a_mistake_among_expected_errors_is_not_hidden() -> None:
    with pytest.raises(ExceptionGroup), answering(), told():
        raise ExceptionGroup("x", [ConfigError("a"), ValueError("b")])


def test_json_has_every_key_of_every_row(capsys: pytest.CaptureFixture[str]) -> None:
    emit(ROWS, ("learner",), json=True)

    assert json.loads(capsys.readouterr().out) == ROWS


def test_json_of_no_rows_is_an_empty_list(capsys: pytest.CaptureFixture[str]) -> None:
    emit([], ("learner",), json=True)

    assert capsys.readouterr() == ("[]\n", "")


def test_json_carries_exact_numbers_sets_and_bytes(capsys: pytest.CaptureFixture[str]) -> None:
    emit_json({"a": Fraction(1, 3), "b": Fraction(4, 2), "c": frozenset({"y", "x"}), "d": b"\x01\xff", "e": "ä"})

    out = capsys.readouterr().out
    assert json.loads(out) == {"a": "1/3", "b": 2, "c": ["x", "y"], "d": "01ff", "e": "ä"}
    assert "ä" in out


def test_in_a_pipe_rows_are_aligned_and_whole(capsys: pytest.CaptureFixture[str]) -> None:
    emit([*ROWS, {"learner": "x" * 200}], ("learner", "seen_at", "points"), json=False)

    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["learner", "seen", "at", "points"]
    assert lines[1].split() == ["moodle:35", "10"]
    assert lines[3] == "x" * 200
    assert lines[0].index("points") == lines[1].index("10") == lines[2].index("-2500")


def test_no_rows_are_said_beside_the_answer(capsys: pytest.CaptureFixture[str]) -> None:
    emit([], ("learner",), json=False, empty="no learners yet")

    assert capsys.readouterr() == ("", "no learners yet\n")


def test_one_thing_is_shown_line_by_line(capsys: pytest.CaptureFixture[str]) -> None:
    emit_one({"open_gaps": 2, "ok": True, "seen": None}, json=False)

    assert capsys.readouterr().out == "open gaps  2\nok         yes\nseen\n"


def on_a_terminal(rows: str, columns: str, width: int) -> str:
    """What `emit` shows on a terminal of that width, without its colours."""
    shown = on_a_terminal_says(f"from agent.cli.frame import emit\nemit({rows}, {columns}, json=False)\n", width)
    assert all(len(line) <= width for line in shown.splitlines())
    return shown


def on_a_terminal_says(script: str, width: int) -> str:
    """What a script shows on a terminal of that width, without its colours."""
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, width, 0, 0))
    environment = {"PYTHONPATH": str(Path(__file__).parents[3]), "TERM": "xterm", "PATH": "/usr/bin"}
    subprocess.run([sys.executable, "-c", script], stdout=theirs, env=environment, timeout=60, check=True)
    os.close(theirs)
    shown = re.sub(r"\x1b\[[0-9;]*m", "", os.read(ours, 100_000).decode())
    os.close(ours)
    return shown


def test_on_a_terminal_a_table_fits_its_width_and_loses_nothing() -> None:
    shown = on_a_terminal("[{'who': 'moodle:35', 'why': 'w ' * 90, 'points': 10}]", "('who', 'why', 'points')", 60)
    assert shown.count("w") == 90 + "who why".count("w")
    assert shown.splitlines()[1].split() == ["who", "why", "points"]


def test_on_a_terminal_sentences_are_broken_between_words_and_stand_further_in() -> None:
    sentence = "  quiz-80 gave moodle:35 nothing: " + "condition score_pct " * 4 + "a" * 90
    shown = on_a_terminal_says(f"from agent.cli.frame import tell\ntell({sentence!r})\n", 60)
    first, *rest, hash_ = shown.splitlines()
    assert first.startswith("  quiz-80 gave")
    assert all(line.startswith("    ") and not line.startswith("     ") for line in rest)
    assert " ".join(shown.split()) == " ".join(sentence.split())
    assert hash_.strip() == "a" * 90, "what is copied stays whole"


def test_where_words_would_be_broken_rows_are_told_one_by_one_without_what_is_empty() -> None:
    row = "{'at': '2026-09-01T00:00:00Z', 'log': 'moodle:3532', 'fault': '', 'why': 'w' * 90}"
    shown = on_a_terminal(f"[{row}, {row}]", "('at', 'log', 'fault', 'why')", 60)
    assert shown.count("2026-09-01T00:00:00Z") == 2
    assert shown.count("  log  moodle:3532") == 2
    assert shown.count("w") == 2 * (90 + "why".count("w"))
    assert "fault" not in shown


def test_two_rule_sets_are_compared_side_by_side_on_a_terminal_of_80_columns() -> None:
    """With three spaces between columns this was 81 wide, and told row by row."""
    names = ("rule", "currency", "awards", "learners", "amount", "against", "difference")
    cells = ("programme-complete", "reputation", "1234", "1234", "-123456", "123456", "-246912")
    row = dict(zip(names, cells, strict=True))
    lines = on_a_terminal(f"[{row}, {row}]", repr(names), 80).splitlines()
    assert [line.split() for line in lines if "programme" in line] == [list(cells), list(cells)]


def test_a_hash_stays_whole_on_a_terminal_of_80_columns() -> None:
    row = "{'version': 'a' * 64, 'first used at': '2026-09-01T00:00:00Z', 'decisions': 0}"
    assert "a" * 64 in on_a_terminal(f"[{row}]", "('version', 'first used at', 'decisions')", 80)


def test_times_are_told_in_utc() -> None:
    assert (utc(0), utc(None), utc(1_788_220_800)) == ("1970-01-01T00:00:00Z", "", "2026-09-01T00:00:00Z")


def test_a_cell_shows_lists_tables_and_truth_in_words() -> None:
    assert text_of(["a", 1]) == "a, 1"
    assert text_of({"points": 10, "reputation": 5}) == "points 10, reputation 5"
    assert (text_of(True), text_of(False), text_of(None)) == ("yes", "no", "")


OUT_OF_MEMORY = """
import threading
from agent.cli.frame import run_async

async def work():
    threading.Thread(target=threading.Event().wait).start()
    raise MemoryError

run_async(work())
"""


def test_where_memory_ran_out_the_process_ends_although_threads_of_it_still_wait() -> None:
    root = Path(__file__).parents[3]
    command = [sys.executable, "-c", OUT_OF_MEMORY]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, "memory ran out; nothing is lost" in done.stderr) == (1, True)


@pytest.mark.parametrize(
    ("said", "plain_words"),
    [
        ("Value error, 'xml' is not one of 'csv', 'json'.", "'xml' is not one of 'csv', 'json'."),
        ("Input should be a valid integer, unable to parse string as an integer", "write a whole number"),
        ("Input should be a valid number, unable to parse string as a number", "write a number"),
        ("Input should be greater than or equal to 1", "at least 1"),
        ("no such file", "no such file"),
    ],
)
def test_what_does_not_fit_an_option_is_told_in_plain_words(said: str, plain_words: str) -> None:
    assert plain(said) == plain_words


@pytest.mark.parametrize("program", [agent_app.app, catalogue_app.app])
def test_both_programs_tell_a_wrong_word_plainly(program: typer.Typer) -> None:
    done = CliRunner().invoke(program, ["ledger", "export", "--format", "xml", "campus"])
    assert done.exit_code == 2
    assert "'--format': 'xml' is not one of" in done.output


def test_a_cell_with_nothing_in_it_leaves_no_name_hanging() -> None:
    assert text_of({"mode": "live", "was": ""}) == "mode live"


def test_a_slip_in_the_first_word_is_told_with_the_nearest_command() -> None:
    assert "Did you mean 'status'" in CliRunner().invoke(agent_app.app, ["staus"]).output


def test_one_of_a_thing_is_told_in_the_singular() -> None:
    told = [counted(number, "entry waits", "entries wait") for number in (0, 1, 2)]
    assert told == ["0 entries wait", "1 entry waits", "2 entries wait"]
    assert [counted(number, "rule") for number in (1, 12)] == ["1 rule", "12 rules"]


EVIL = "Eve\x1b]0;owned\x07\x1b[2J\nmoodle:1  9999\r\u202eda\ud800"


def test_what_others_are_called_commands_no_terminal_and_begins_no_line(capsys: pytest.CaptureFixture[str]) -> None:
    emit([{"name": EVIL, "points": 1}], ("name", "points"), json=False)
    emit_one({"name": EVIL}, json=False)

    table = capsys.readouterr().out
    assert table.count("\n") == 3
    assert not set(table) & set(EVIL) - set(map(chr, range(32, 127))) - {"\n"}
    emit_one({"name": EVIL[:10]}, json=True)
    assert json.loads(capsys.readouterr().out) == {"name": EVIL[:10]}


@pytest.mark.parametrize(
    "name", ["محمد بن عبد الله", "👩\u200d🏫🎓", "نمی\u200cخواهم", "王小明", "José Ångström", "a\u00a0b"]
)
def test_names_of_every_script_are_shown_as_they_are(name: str) -> None:
    assert on_screen(name) == name


def test_sizes_are_told_as_disks_are_sold() -> None:
    assert [size(count) for count in (1, 900, 73_728, 64 << 20, 431_316_992, 1_300_000_000)] == [
        *("1 byte", "900 bytes", "73 kB", "67 MB", "431 MB", "1.3 GB")
    ]


def typed_in(command: Any) -> Iterator[Any]:
    """The parameters of a command and of all below it."""
    yield from command.params
    if hasattr(command, "get_command"):
        context = command.context_class(command)
        for name in command.list_commands(context):
            yield from typed_in(command.get_command(context, name))


@pytest.mark.parametrize("program", ["rewards-agent", "rewards-catalogue"])
def test_no_command_takes_a_point_between_thousands_for_a_whole_number(program: str) -> None:
    command = programs()[program]
    context = command.context_class(command)
    whole = [one for one in typed_in(command) if one.type_descriptor.annotation in (int, list[int])]
    assert len(whole) > 10
    for one in whole:
        with pytest.raises(typer.BadParameter, match="write a whole number, without a point"):
            one.process_value(context, ("1.000",) if one.nargs == -1 or one.multiple else "1.000")
