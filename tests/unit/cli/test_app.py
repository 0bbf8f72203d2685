"""`rewards-agent` as a process: quick help, exit codes, and an end without tracebacks."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from agent import __version__
from agent.cli.app import COMMANDS
from tests import programs

CONFIG = '[agent]\ncampus = "uni"\n[[source]]\nname = "moodle"\nkind = "moodle-logstore"\nurl = "sqlite:///log.db"\n'
RULES = 'schema = 1\ntimezone = "UTC"\n[[rule]]\nid = "lesson"\non = "lesson.completed"\naward = 10\n'

SLOW = """
import sys, time
sys.path.insert(0, {directory!r})
from agent.cli import app
app.COMMANDS["slow"] = app.Entry("slow_command", "Sleep.")
sys.argv = ["rewards-agent", "slow"]
app.main()
"""
SLOW_COMMAND = """
import asyncio, typer
from agent.cli.frame import run_async
app = typer.Typer()

async def sleep():
    try:
        print("asleep", flush=True)
        await asyncio.sleep(60)
    finally:
        print("cleaned up", flush=True)

@app.command()
def slow() -> None:
    run_async(sleep())
"""


def agent(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run the command in a directory."""
    return programs.run("agent", words, cwd=cwd, env={"PATH": "/usr/bin:/bin", "COLUMNS": "100"})


@pytest.fixture
def campus(tmp_path: Path) -> Path:
    """A directory with a configuration and rules in order."""
    (tmp_path / "config.toml").write_text(CONFIG)
    (tmp_path / "rules.toml").write_text(RULES)
    return tmp_path


def test_help_lists_every_command_with_its_line(tmp_path: Path) -> None:
    shown = agent("--help", cwd=tmp_path)

    assert shown.returncode == 0
    for name, entry in COMMANDS.items():
        assert f"\n  {name} " in shown.stdout
        assert entry.help.split(",")[0][:40] in shown.stdout


def test_help_imports_no_command_and_none_of_the_heavy_libraries() -> None:
    script = (
        "import sys; sys.argv = ['rewards-agent', '--help']\n"
        "from agent.cli import app\n"
        "try: app.main()\n"
        "except SystemExit: pass\n"
        "heavy = {'agent.cli.rules', 'pydantic', 'aiohttp', 'aiosqlite', 'structlog', 'cryptography', 'asyncio'}\n"
        "print('HEAVY', sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)

    assert done.stdout.splitlines()[-1] == "HEAVY []"


def test_every_command_of_the_list_is_there_and_has_help(tmp_path: Path) -> None:
    for name in COMMANDS:
        shown = programs.run("agent", [name, "--help"], cwd=tmp_path)
        assert (shown.returncode, shown.stderr) == (0, "")
        assert "install-completion" not in shown.stdout
        assert " []" not in shown.stdout, "names in double brackets are text, no markup"
        assert "╭" not in shown.stdout, "what a screen reader would read out, line by line"


def test_the_version_is_told(tmp_path: Path) -> None:
    assert agent("--version", cwd=tmp_path).stdout == f"rewards-agent {__version__}\n"


def test_an_unknown_command_ends_with_two(tmp_path: Path) -> None:
    assert agent("rulez", cwd=tmp_path).returncode == 2


def test_without_a_configuration_a_command_says_where_it_looked_and_what_to_do(tmp_path: Path) -> None:
    done = agent("rules", "check", cwd=tmp_path)

    assert done.returncode == 2
    assert f"{tmp_path}/config.toml nor /etc/rewards-agent/config.toml" in done.stderr
    assert "rewards-agent init" in done.stderr
    assert done.stdout == ""


def test_a_configuration_elsewhere_is_named_with_config(campus: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")

    assert agent("rules", "check", "--config", str(campus / "config.toml"), cwd=elsewhere).returncode == 0


def test_faults_of_the_configuration_are_all_told_with_their_places(campus: Path) -> None:
    (campus / "config.toml").write_text(f'{CONFIG}start_at = "soon"\n[catalouge]\nurl = "x"\n')

    done = agent("rules", "check", cwd=campus)

    assert done.returncode == 2
    assert [line.split(" ")[0] for line in done.stderr.splitlines()] == ["config.toml:7:12:", "config.toml:8:2:"]


def test_rules_in_order_are_told_with_their_version(campus: Path) -> None:
    done = agent("rules", "check", cwd=campus)
    as_json = agent("rules", "check", "--json", cwd=campus)

    assert (done.returncode, as_json.returncode) == (0, 0)
    told = json.loads(as_json.stdout)
    assert (told["ok"], told["rules"], told["faults"]) == (True, 1, [])
    assert told["version"] in done.stdout


def test_every_fault_of_the_rules_is_told_at_once_and_ends_with_two(campus: Path) -> None:
    (campus / "rules.toml").write_text(f'{RULES}awrd = 1\n[[rule]]\nid = "b"\non = "lesson.completed"\naward = "x"\n')

    done = agent("rules", "check", cwd=campus)
    as_json = agent("rules", "check", "--json", cwd=campus)

    assert (done.returncode, as_json.returncode) == (2, 2)
    assert [line.split(" ")[0] for line in done.stderr.splitlines()] == ["rules.toml:7:1:", "rules.toml:11:9:"]
    assert [fault["line"] for fault in json.loads(as_json.stdout)["faults"]] == [7, 11]


def test_rules_of_several_files_are_checked_together(campus: Path) -> None:
    (campus / "a.toml").write_text(f"{RULES}x = 1\n")
    (campus / "b.toml").write_text("= 1\n")

    done = agent("rules", "check", "a.toml", "b.toml", cwd=campus)

    assert [line.split(" ")[0] for line in done.stderr.splitlines()] == ["a.toml:7:1:", "b.toml:1:1:"]


def test_rules_are_explained_in_sentences_with_the_defaults_they_left_unsaid(campus: Path) -> None:
    done = agent("rules", "explain", "lesson", cwd=campus)
    as_json = agent("rules", "explain", "--json", cwd=campus)

    assert done.returncode == 0
    assert done.stdout.startswith("lesson\n  lesson: on lesson.completed.\n")
    assert "once for each lesson and learner" in done.stdout
    assert [rule["rule"] for rule in json.loads(as_json.stdout)] == ["lesson"]


def test_what_rules_stop_at_together_is_said_once_and_with_the_one_that_is_asked_for(
    tmp_path: Path,
) -> None:
    rules = "".join(f'[[rule]]\nid = "{name}"\non = "lesson.completed"\naward = 1\n' for name in ("a", "b"))
    (tmp_path / "rules.toml").write_text(f'schema = 1\ntimezone = "UTC"\n[budget]\npoints = "9/week"\n{rules}')
    budget = "Stops at budget 9 points/week; what goes over is held for review"
    done = agent("rules", "explain", "rules.toml", cwd=tmp_path).stdout
    assert done.endswith(f"what rules share\n  {budget} (a, b).\n")
    assert done.count(budget) == 1
    assert f"  {budget}.\n" in agent("rules", "explain", "b", "--file", "rules.toml", cwd=tmp_path).stdout
    told = json.loads(agent("rules", "explain", "rules.toml", "--json", cwd=tmp_path).stdout)
    assert [f"{budget}." in one["sentences"] for one in told] == [True, True]


def test_rules_in_a_file_are_explained_without_a_configuration(
    campus: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    told = agent("rules", "explain", str(campus / "rules.toml"), cwd=tmp_path_factory.mktemp("elsewhere"))
    assert told.returncode == 0
    assert told.stdout == agent("rules", "explain", cwd=campus).stdout


def test_a_limit_beyond_what_can_be_counted_is_refused_in_a_sentence(campus: Path) -> None:
    done = agent("ledger", "list", "--limit", "9" * 20, cwd=campus)
    assert done.returncode == 2
    assert "'--limit'" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_rule_that_is_not_there_is_answered_with_the_nearest(campus: Path) -> None:
    done = agent("rules", "explain", "leson", cwd=campus)

    assert (done.returncode, done.stderr) == (1, "there is no rule leson\n  did you mean lesson?\n")


def test_rules_without_a_rule_are_explained_as_paying_nobody(tmp_path: Path) -> None:
    (tmp_path / "rules.toml").write_text('schema = 1\ntimezone = "UTC"\n')
    done = agent("rules", "explain", "rules.toml", cwd=tmp_path)

    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == "the rules have no rule: nobody earns anything\n"


@pytest.mark.parametrize(("points", "code"), [(10, 0), (11, 1)])
def test_the_stories_of_the_rules_are_played_and_an_untrue_one_ends_with_one(
    campus: Path, points: int, code: int
) -> None:
    story = f"""
[[case]]
name = "a lesson pays"
events = [{{ at = 2026-09-07T09:00:00, learner = "ann", kind = "lesson.completed", lesson = "1" }}]
expect = [{{ learner = "ann", rule = "lesson", points = {points} }}]
"""
    (campus / "rules.toml").write_text(RULES + story)

    done = agent("rules", "test", cwd=campus)
    as_json = agent("rules", "test", "--json", cwd=campus)

    assert (done.returncode, as_json.returncode) == (code, code)
    assert ("rules.toml:8: a lesson pays" in done.stderr) is bool(code)
    assert json.loads(as_json.stdout)["ok"] is not bool(code)


def test_the_facts_of_a_kind_are_listed_with_type_unit_supplier_and_sample(tmp_path: Path) -> None:
    facts = json.loads(agent("rules", "facts", "quiz.submitted", "--json", cwd=tmp_path).stdout)

    (score,) = [fact for fact in facts if fact["fact"] == "score_pct"]
    assert (score["kind"], score["unit"]) == ("quiz.submitted", "%")
    assert "moodle-logstore" in score["supplied_by"]
    assert score["sample"]


@pytest.mark.parametrize("family", ["quiz", "quiz.*"])
def test_the_facts_of_a_family_of_kinds_are_listed_as_rules_name_it(tmp_path: Path, family: str) -> None:
    facts = json.loads(agent("rules", "facts", family, "--json", cwd=tmp_path).stdout)
    assert {"quiz.submitted", "quiz.attempt_deleted"} <= {fact["kind"] for fact in facts}
    assert all(fact["kind"].startswith("quiz.") for fact in facts)


def test_a_kind_that_is_not_there_is_answered_with_the_nearest(tmp_path: Path) -> None:
    done = agent("rules", "facts", "quiz.submited", cwd=tmp_path)

    assert done.returncode == 1
    assert "did you mean quiz.submitted?" in done.stderr


def test_a_reader_that_goes_away_ends_the_command_without_a_word(tmp_path: Path) -> None:
    command = f"{sys.executable} -m agent rules facts --json | head -1; exit ${{PIPESTATUS[0]}}"
    environment = {"PYTHONPATH": str(Path(__file__).parents[3]), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        ["bash", "-c", command], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, "[\n", "")


@pytest.mark.parametrize("program", ["agent", "catalogue"])
def test_a_locale_that_lacks_a_letter_breaks_no_command_and_a_pipe_gets_utf8(campus: Path, program: str) -> None:
    rules = campus / "rules.toml"
    rules.write_text(RULES.replace("[[rule]]", "[[rule]]\ntitle = 'درس 🌿'", 1), encoding="utf-8")
    words = ["rules", "explain"] if program == "agent" else ["--help"]
    for encoding in ("latin-1", "ascii"):
        environment = {"PYTHONPATH": str(Path(__file__).parents[3]), "PYTHONIOENCODING": encoding, "PATH": "/usr/bin"}
        done = subprocess.run(
            [sys.executable, "-m", program, *words],
            cwd=campus,
            env=environment,
            capture_output=True,
            timeout=60,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, b"")
        assert ("درس 🌿" if program == "agent" else "COMMAND …") in done.stdout.decode("utf-8")


def test_ctrl_c_lets_a_command_clean_up_and_ends_it_without_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "slow_command.py").write_text(SLOW_COMMAND)
    with subprocess.Popen(
        [sys.executable, "-c", SLOW.format(directory=str(tmp_path))],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "asleep\n"
        time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)

    assert (process.returncode, out, err) == (130, "cleaned up\n", "")
