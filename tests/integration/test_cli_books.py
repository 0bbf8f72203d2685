"""`ledger`, `review`, `source` and `rules history|show`, as an administrator types them, over a real agent's ledger."""

from __future__ import annotations

import csv
import importlib
import io
import json
import subprocess
from pathlib import Path

import pytest

from agent.cli.app import COMMANDS
from tests import programs
from tests.helpdesk import RULES, Desk, completed, filled
from tests.sites import log

HEADER = (
    "seq,entry_id,occurred_at,recorded_at,learner,rule_id,rules_version,currency,amount,kind,event_id,source,trust,"
    "reason,reverses"
)


@pytest.fixture(scope="module")
def books(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """The filled campus; only looked at."""
    return filled(tmp_path_factory.mktemp("books") / "campus")


@pytest.fixture
def own(books: Desk, tmp_path: Path) -> Desk:
    """A copy of it to write in."""
    return books.copy(tmp_path / "campus")


def answered(desk: Desk, words: tuple[str, ...], typed: str) -> subprocess.CompletedProcess[str]:
    """A command that asks something, and what was typed."""
    return programs.run("agent", [*words, "--config", str(desk.config)], stdin=typed)


def seqs(desk: Desk, *words: str) -> list[int]:
    return [row["seq"] for row in desk.json("ledger", "list", *words)]


def test_entries_are_listed_newest_first_and_every_filter_narrows(books: Desk) -> None:
    assert seqs(books) == [5, 4, 3, 2, 1]
    assert seqs(books, "--oldest", "--limit", "2") == [1, 2]
    assert seqs(books, "--learner", "ben") == [5]
    assert seqs(books, "--rule", "post") == [3, 2]
    assert seqs(books, "--currency", "badge:starter") == [4]
    assert seqs(books, "--since", "2026-09-08") == [5]
    assert seqs(books, "--until", "2026-09-07T07:30:00Z") == [4]
    assert seqs(books, "--since", "2026-09-07", "--until", "2026-09-07") == [4, 3, 2, 1]


def test_amounts_are_shown_as_people_write_them_and_as_smallest_units_in_json(books: Desk) -> None:
    (line,) = books.command("ledger", "list", "--currency", "stars").stdout.splitlines()[1:]

    assert line.split() == ["3", "2026-09-07T09:30:00Z", "moodle:35", "post", "0.25", "stars", "award"]
    assert books.json("ledger", "list", "--currency", "stars")[0]["amount"] == 25


def test_a_day_that_is_none_ends_with_one_and_shows_how_to_write_it(books: Desk) -> None:
    done = books.command("ledger", "list", "--since", "monday", check=False)

    assert done.returncode == 1
    assert done.stderr.startswith("'monday' is neither a day nor a time")


def test_the_export_has_the_columns_of_the_contract_in_their_order(books: Desk) -> None:
    text = books.command("ledger", "export", "--format", "csv").stdout

    assert text.split("\n", 1)[0] == HEADER
    assert "\r" not in text
    first = next(csv.DictReader(io.StringIO(text)))
    assert first["learner"] == "moodle:35"
    assert (first["occurred_at"], first["amount"], first["kind"]) == ("2026-09-07T08:00:00Z", "10", "award")
    assert (first["source"], first["trust"], first["reason"], first["reverses"]) == (
        "moodle", "server_verified", "", "",
    )  # fmt: skip
    assert first["event_id"] == books.json("events", "explain", "moodle:2")[0]["event"]["event_id"]


def test_badges_are_exported_only_when_asked_for_and_the_statement_adds_no_rows_yet(books: Desk) -> None:
    plain = books.command("ledger", "export").stdout

    assert [row["seq"] for row in csv.DictReader(io.StringIO(plain))] == ["1", "2", "3", "5"]
    assert books.command("ledger", "export", "--with-statement").stdout == plain
    assert "badge:starter" in books.command("ledger", "export", "--badges").stdout


def test_the_export_as_json_has_a_line_for_each_entry_with_the_same_names(books: Desk) -> None:
    lines = books.command("ledger", "export", "--format", "json", "--after", "2").stdout.splitlines()

    assert [json.loads(line)["seq"] for line in lines] == [3, 5]
    assert ",".join(json.loads(lines[0])) == HEADER
    listed = json.loads(books.command("ledger", "export", "--json", "--after", "2").stdout)
    assert listed == [json.loads(line) for line in lines]
    assert json.loads(books.command("ledger", "export", "--json", "--after", "99").stdout) == []


@pytest.mark.parametrize(
    "words",
    [
        ("--learner", "ann"),
        ("--rule", "post"),
        ("--currency", "stars"),
        ("--currency", "badge:starter"),
        ("--since", "2026-09-07", "--until", "2026-09-07"),
        ("--since", "2026-09-07T09:30:00Z"),
        ("--learner", "moodle:35", "--rule", "nosuch"),
    ],
)
def test_an_export_of_a_person_a_rule_a_currency_or_a_time_is_the_list_of_them(
    books: Desk, words: tuple[str, ...]
) -> None:
    badges = ("--badges",) if "--since" in words or "--learner" in words else ()
    exported = books.json("ledger", "export", *words, *badges)
    assert exported == books.json("ledger", "list", "--oldest", *words)
    assert len(exported) < len(books.json("ledger", "list"))


def test_a_reason_that_a_spreadsheet_would_calculate_is_exported_with_a_quote(own: Desk) -> None:
    own.command("ledger", "adjust", "ann", "1", "--reason", '=HYPERLINK("x"), "quoted"', "--by", "desk")

    (row,) = csv.DictReader(io.StringIO(own.command("ledger", "export", "--after", "5").stdout))

    assert row["reason"] == '\'=HYPERLINK("x"), "quoted" (by desk)'
    assert (row["kind"], row["rule_id"], row["event_id"]) == ("adjustment", "manual", "")


def test_a_ledger_in_order_is_verified_with_zero(books: Desk) -> None:
    report = books.json("ledger", "verify")

    assert (report["ok"], report["entries"], report["findings"]) == (True, 5, [])
    assert "in order  yes" in books.command("ledger", "verify").stdout


def test_a_balance_that_was_tampered_with_is_found_and_rebuilt(own: Desk) -> None:
    own.ledger("UPDATE balance SET amount = amount + 1000 WHERE currency = 'points'")

    done = own.command("ledger", "verify", "--json", check=False)
    rebuilt = own.json("ledger", "rebuild")

    assert done.returncode == 3
    assert "rewards-agent ledger rebuild" in json.loads(done.stdout)["findings"][0]["what"]
    assert rebuilt["changed"] == 2
    assert own.command("ledger", "verify").returncode == 0


def test_an_entry_that_was_tampered_with_is_named(own: Desk) -> None:
    own.ledger("DROP TRIGGER entry_is_never_changed")
    own.ledger("UPDATE entry SET body = CAST(replace(CAST(body AS TEXT), ':10,', ':99,') AS BLOB) WHERE seq = 1")

    done = own.command("ledger", "verify", check=False)

    assert done.returncode == 3
    assert "entry 1: its hash does not follow from the entries before it" in done.stdout


def test_an_adjustment_gives_and_takes_with_reason_and_name(own: Desk) -> None:
    given = own.json("ledger", "adjust", "ann@example.org", "2.50", "--currency", "stars", "--reason", "a", "--by", "B")
    taken = own.command("ledger", "adjust", "moodle:35", "-3", "--reason", "typed twice", "--by", "B. Desk").stdout

    assert given == {"seq": 6, "learner": "moodle:35", "currency": "stars", "amount": 250}
    assert taken == "entry 7: moodle:35 -3 points\n"
    assert own.json("ledger", "list", "--limit", "1")[0]["reason"] == "typed twice (by B. Desk)"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("ann", "0.5"), "0.5 points is finer than the currency"),
        (("ann", "much"), "'much' is not an amount"),
        (("ann", "NaN"), "'NaN' is not an amount"),
        (("ann", "1", "--currency", "gold"), "there is no currency 'gold'"),
        (("moodle:99", "1"), "Moodle has no user with the id 99"),
        (("ann", "0"), "0 points is no amount that an entry can have\n  from 1 to 1000000000000000, or below zero"),
        (("ann", "9223372036854775807"), "9223372036854775807 points is no amount that an entry can have"),
        (("ann", "1e3"), "'1e3' is not an amount"),
        (("ann", "2,5"), "'2,5' is not an amount\n  write 2.5"),
        (("ann", "1.000"), "'1.000' may be meant with a point between its thousands\n  write 1000, or 1 with fewer"),
        (("ann", "1_000"), "'1_000' is not an amount"),
        (("ann", "\N{FULLWIDTH DIGIT ONE}0"), "'\N{FULLWIDTH DIGIT ONE}0' is not an amount"),
    ],
)
def test_an_adjustment_that_makes_no_sense_is_refused(books: Desk, words: tuple[str, ...], told: str) -> None:
    done = books.command("ledger", "adjust", *words, "--reason", "x", check=False)

    assert done.returncode == 1
    assert done.stderr.startswith(told)


def test_an_adjustment_in_shadow_mode_says_that_it_counts(own: Desk) -> None:
    own.config.write_text(own.config.read_text().replace("[agent]\n", '[agent]\nmode = "shadow"\n'))

    done = own.command("ledger", "adjust", "ann", "1", "--reason", "x")

    assert "in shadow mode rules pay nothing; what somebody gives or takes by hand counts" in done.stderr
    assert done.stdout == "entry 6: moodle:35 +1 point\n"


def test_what_was_taken_back_is_told_as_such_where_somebody_asks_why(own: Desk) -> None:
    own.command("ledger", "reverse", "1", "--reason", "typed twice", "--yes")

    (lesson,) = own.json("learner", "why", "ann", "--on", "2026-09-07", "--rule", "lesson")["rules"]

    assert (lesson["outcome"], lesson["nearest"]["outcome"]) == ("reversed", "awarded")
    assert "Reversed by entry 6." in lesson["nearest"]["since"]


def test_nothing_is_taken_by_hand_below_zero_where_the_currency_forgives_or_is_never_spent(own: Desk) -> None:
    forgives = '[currency.points]\noverdraw = "forgive"\n\n[currency.stars]\nspendable = false'
    (own.directory / "rules.toml").write_text(RULES.replace("[currency.stars]", forgives))

    below = own.command("ledger", "adjust", "ann", "-12", "--reason", "x", check=False)
    stars = own.command("ledger", "adjust", "ann", "-0.26", "--currency", "stars", "--reason", "x", check=False)
    taken = own.command("ledger", "adjust", "ann", "-11", "--reason", "x").stdout

    assert (below.returncode, stars.returncode) == (1, 1)
    assert below.stderr.startswith("the balance is 11 points: taking 12 would leave -1\n")
    assert '[currency.points] overdraw = "forgive"; take at most 11' in below.stderr
    assert stars.stderr.startswith("the balance is 0.25 stars: taking 0.26 would leave -0.01\n")
    assert "[currency.stars] spendable = false; take at most 0.25" in stars.stderr
    assert taken == "entry 6: moodle:35 -11 points\n"


def test_a_correction_without_a_reason_is_refused(books: Desk) -> None:
    done = books.command("ledger", "reverse", "1", "--reason", " ", check=False)

    assert (done.returncode, done.stderr.splitlines()[0]) == (1, "a correction needs a reason")


def test_a_reversal_answers_every_entry_of_the_award_once(own: Desk) -> None:
    ((epoch_id,),) = own.ledger("SELECT CAST(body AS TEXT) ->> 'entry_id' FROM entry WHERE seq = 2")

    result = own.json("ledger", "reverse", epoch_id, "--reason", "copied", "--by", "B. Desk")
    again = own.command("ledger", "reverse", "3", "--reason", "copied", check=False)

    assert result == {"reverses": 2, "entries": [6, 7]}
    assert again.returncode == 1
    assert "entry 3 was reversed already" in again.stderr
    told = own.command("events", "explain", "moodle:4").stdout
    assert "Entries 2, 3. Reversed by entry 6, 7." in told
    assert own.command("ledger", "verify").returncode == 0


def test_all_that_a_rule_paid_is_previewed_asked_about_and_reversed_once(own: Desk) -> None:
    words = ("ledger", "reverse", "--rule", "post", "--since", "2026-09-07", "--reason", "void", "--by", "B. Desk")

    preview = own.json(*words, "--preview")
    no = answered(own, words, "n\n")
    assert (preview["awards"], preview["entries"], preview["reversed"], no.returncode) == (1, 2, 0, 1)
    assert seqs(own) == [5, 4, 3, 2, 1]

    yes = answered(own, words, "y\n")
    assert yes.stdout.splitlines()[-1] == "reversed by 2 entries"
    assert seqs(own) == [7, 6, 5, 4, 3, 2, 1]
    again = own.command(*words, "--yes").stdout
    assert again == "nothing that post paid in that time still stands\n"
    assert own.command("ledger", "verify").returncode == 0


@pytest.mark.parametrize("words", [(), ("1", "--rule", "post"), ("--rule", "post"), ("1", "--preview")])
def test_a_reversal_needs_one_entry_or_a_rule_and_since_when(books: Desk, words: tuple[str, ...]) -> None:
    done = books.command("ledger", "reverse", *words, "--reason", "x", check=False)

    assert (done.returncode, done.stderr.splitlines()[0]) == (1, "name one entry, or a rule and since when")


@pytest.mark.parametrize("name", ["99", "7-1", "first"])
def test_an_entry_that_is_not_there_cannot_be_reversed(books: Desk, name: str) -> None:
    done = books.command("ledger", "reverse", name, "--reason", "x", check=False)

    assert (done.returncode, done.stderr.splitlines()[0]) == (1, f"there is no entry {name}")


def test_what_is_held_is_listed_with_what_it_would_pay_and_counted(books: Desk) -> None:
    rows = books.json("review", "list")

    assert [(row["learner"], row["log"], row["kind"]) for row in rows] == [
        ("moodle:36", "moodle:12", "backdated"),
        ("moodle:35", "moodle:14", "backdated"),
        ("moodle:36", "moodle:15", "backdated"),
    ]
    assert rows[0]["would_pay"] == {"points": "10"}
    assert books.json("review", "list", "--counts") == [
        {"rule_id": "lesson", "kind": "backdated", "reason": "backdated", "held": 3}
    ]
    assert len(books.json("review", "list", "--learner", "ann", "--rule", "lesson", "--kind", "backdated")) == 1
    assert books.command("review", "list").stderr == "3 in all: 3 backdated\n"
    assert books.command("review", "list", "--kind", "trust").stderr == "nothing is held\n"


def test_approving_pays_and_rejecting_does_not_and_both_are_told_later(own: Desk) -> None:
    ben, ann, _ = (row["decision"] for row in own.json("review", "list"))

    approved = own.command("review", "approve", str(ben), "--by", "B. Desk").stdout
    rejected = own.command("review", "reject", str(ann), "--reason", "not hers", "--by", "B. Desk").stdout

    assert approved == f"{ben}: approved, paid 10 points\n"
    assert rejected == f"{ann}: rejected, nothing is paid\n"
    assert seqs(own, "--learner", "ben") == [6, 5]
    assert "lesson held 10 points for moodle:36: backdated. It was approved by B. Desk." in (
        own.command("events", "explain", "moodle:12").stdout
    )
    assert "It was rejected by B. Desk: not hers." in own.command("events", "explain", "moodle:14").stdout
    assert [row["settled_by"] for row in own.json("review", "list", "--state", "rejected")] == ["B. Desk"]
    assert len(own.json("review", "list")) == 1


def test_settling_twice_or_what_is_not_held_ends_with_one_and_says_which(books: Desk) -> None:
    done = books.command("review", "approve", "1", "--json", check=False)

    assert done.returncode == 1
    (result,) = json.loads(done.stdout)
    assert (result["decision"], result["outcome"], result["reason"]) == (1, "refused", "no decision 1 is held")


def test_what_a_filter_chose_is_asked_about_before_it_is_settled(own: Desk) -> None:
    words = ("review", "approve", "--learner", "ben", "--by", "B")

    refused = answered(own, words, "n\n")
    agreed = answered(own, words, "y\n")

    assert refused.returncode == 1
    assert "2 by lesson: backdated" in refused.stderr
    assert agreed.returncode == 0
    assert agreed.stdout.count("approved") == 2
    assert own.command("review", "reject", "--learner", "ben", "--reason", "x", check=False).returncode == 1


@pytest.mark.parametrize("words", [(), ("7", "--rule", "lesson")])
def test_settling_wants_either_numbers_or_a_filter(books: Desk, words: tuple[str, ...]) -> None:
    done = books.command("review", "approve", *words, check=False)

    assert done.returncode == 1
    assert "name decisions by number, or choose them" in done.stderr


def test_a_source_without_a_fault_has_nothing_to_accept(books: Desk) -> None:
    done = books.command("source", "accept-rewind", "moodle", "--yes", check=False)

    assert done.returncode == 1
    assert "has no fault: there is nothing to accept" in done.stderr
    assert books.command("source", "accept-rewind", "mooodle", check=False).returncode == 1


def test_a_log_that_was_emptied_is_accepted_after_a_preview(own: Desk) -> None:
    own.moodle.execute("DELETE FROM mdl_logstore_standard_log")
    for number in range(1, 30):
        completed(own.moodle, number, 37, 10 + number % 4, f"09-13T{number % 24:02d}:00")
    faulty = own.command("run", "--until-caught-up", check=False)

    preview = answered(own, ("source", "accept-rewind", "moodle"), "n\n")
    accepted = own.json("source", "accept-rewind", "moodle", "--yes", "--by", "A. Admin")
    after = own.command("run", "--until-caught-up", check=False)

    assert faulty.returncode == 3
    assert preview.returncode == 1
    assert "log last id         29" in preview.stdout
    assert "Read the log of moodle again" in preview.stderr
    assert (accepted["position"], accepted["rows_to_read_again"]) == (0, 29)
    assert "rows_to_pay" not in accepted, "they are read, and few of them pay"
    assert after.returncode == 0
    ((kept,),) = own.ledger("SELECT value FROM setting WHERE key LIKE 'rewound:moodle:%'")
    assert json.loads(kept)["by"] == "A. Admin"
    assert seqs(own, "--learner", "37")


def test_every_version_of_the_rules_is_kept_and_shown_as_it_was(own: Desk) -> None:
    (first,) = own.json("rules", "history")
    (own.directory / "rules.toml").write_text(RULES.replace("award = 10", "award = 11"))
    log(own.moodle, 17, timecreated=0)

    own.catch_up()
    before, now = own.json("rules", "history")

    assert (before["version"], before["files_now"], before["decisions"]) == (first["version"], False, 9)
    assert (now["files_now"], now["decisions"]) == (True, 1)
    assert own.command("rules", "show", first["version"][:8]).stdout == RULES
    assert own.json("rules", "show", now["version"])["text"] == RULES.replace("award = 10", "award = 11")


def test_a_version_that_is_not_there_is_not_shown(books: Desk) -> None:
    done = books.command("rules", "show", "zzz", check=False)

    assert (done.returncode, done.stderr) == (1, "there is no version zzz\n  see: rewards-agent rules history\n")


def test_before_the_first_run_the_commands_say_what_to_do(books: Desk, tmp_path: Path) -> None:
    new = books.copy(tmp_path / "campus")
    for file in (new.directory / "data").iterdir():
        file.unlink()

    for words in (
        ("ledger", "list"),
        ("ledger", "export"),
        ("review", "list"),
        ("events", "list"),
        ("ledger", "verify"),
    ):
        done = new.command(*words, check=False)
        assert (done.returncode, "start the agent once: rewards-agent run" in done.stderr) == (1, True)


@pytest.mark.parametrize("group", ["ledger", "review", "source", "events", "learner"])
def test_every_command_teaches_with_an_example(books: Desk, group: str) -> None:
    application = importlib.import_module(COMMANDS[group].module).app
    for command in application.registered_commands:
        assert "Example: rewards-agent" in (command.callback.__doc__ or "")
