"""Every query that the agent sends to an LMS's database, read out of the code that sends it: for whoever runs that."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
FIGURES = ROOT / "bench" / "queries.json"
_ROOMS = ("agent/collectors/logstore", "agent/collectors/states")
_BEGINS = ("SELECT ", "WITH ", "SHOW ", "START ", "SET ")
_RIGHT = "GRANT OPTION"
"""Ends what is called like a statement and is a right that an account has."""

_HEAD = """# Every query to the LMS's database

For the database's administrator. The agent reads with an account that may do nothing else; it writes nothing, takes no
locks beyond those of a read, creates nothing. This page is made from the code: a query that is not here is not sent.

How it behaves:

- one connection for each source, two while the state tables are read; none is opened for a query;
- each page is **one short read-only transaction** (REPEATABLE READ), ended before anything is decided; none is open
  while the agent is idle, so that an `ALTER TABLE` of an upgrade never waits for it;
- every statement has a time limit of the server's own (`max_statement_time`, `statement_timeout`);
- lists of ids (`[ids]`, `[users]` …) are those of one page, 1,000 rows of the log at most;
- `[ranged]` are ranges of ids of each learner of a page; PostgreSQL is given them as lists (`unnest`), `[asked]`
  being the query with the columns of these, and looks into the index once for each.

What it costs. Behind each query stand the time it took, its rows fetched, and how many rows the server read for it: on
MariaDB with a million rows of log, 5,000 learners and 200 courses, the fastest of seven runs on two busy cores with the
tables in memory, lists of 500 ids and slices of 10,000 rows (`python -m bench queries` measures it again). What has no
figure sets something for the session, asks the server about itself, or looks up users by their ids as others here do.
In sum:

| look | took |
|---|---|
| an empty look at the log, once a second | 0.4 ms |
| reading again the newest 500 ids | 2.8 ms |
| looking through the log for the wanted names | 370,000 … 580,000 ids a second, and only behind the position |
| proving that a range has no gap (`COUNT(*)`) | 3.7 million ids a second |

`{name}` is a table with its prefix, `[name]` is filled in, `?` is a parameter.
"""


class _Group(NamedTuple):
    title: str
    when: str
    files: tuple[str, ...]


GROUPS = (
    _Group(
        "Looking for new rows",
        "Once a second (`poll_interval_s`), by ranges of the primary key of the log.",
        ("reading/stretch.py", "collector.py"),
    ),
    _Group(
        "What a page's rows do not say",
        "Once for each page with wanted rows, in the same transaction; by primary keys and Moodle's own indexes, for"
        " the ids of that page alone; only those that a rule in force asks for.",
        (
            "lookups/activities.py",
            "lookups/agreement.py",
            "lookups/courses.py",
            "lookups/dates/due.py",
            "lookups/dates/overrides.py",
            "lookups/forums.py",
            "lookups/grades.py",
            "lookups/people.py",
            "lookups/profiles.py",
            "lookups/progress.py",
            "dialects/database.py",
            "lookups/quizzes.py",
            "lookups/whose.py",
            "lookups/writing.py",
            "reading/cleared.py",
            "reading/marked.py",
        ),
    ),
    _Group(
        "Is it still the same log?",
        "On each connection and once a minute, and where ids are missing right behind the newest row that was read; a"
        " few primary keys.",
        ("identity.py", "reading/deleted.py", "dialects/mysql.py", "dialects/postgres.py", "dialects/sqlite.py"),
    ),
    _Group(
        "Do the tables have what the log speaks of?",
        "Only where the log lies apart (`log_url`): before each page, the first beside the tables, the others in the"
        " log; a few primary keys.",
        ("reading/behind.py",),
    ),
    _Group(
        "Rows that were missing",
        "While there are gaps, about once a second for the open ones; once a day for those given up. Ranges of the"
        " primary key.",
        ("reading/gaps.py", "reading/filling.py"),
    ),
    _Group(
        "What the log missed",
        "Every quarter of an hour (`reconcile`), by keyset slices of the primary key, never a whole table at once. Once"
        " a day `course_completions` is looked through two weeks back, and where something new is found there, the log"
        " three hours at a time. Where a rule waits for grades to be shown, the items of the gradebook that were"
        " changed since, and the rows of the log about their grades.",
        ("states/collector.py", "states/tables.py", "states/told.py", "states/shown.py", "states/stood.py"),
    ),
    _Group(
        "Somebody redeems",
        "Once for each wish, draw or list of rewards at a campus with a catalogue, by Moodle's own index of `userid`.",
        ("reading/members.py",),
    ),
    _Group(
        "Names that leave the campus",
        "Only where `[privacy] identity` says so: when somebody's first entry was delivered, and once a day, by primary"
        " key, 200 learners at once with a second between.",
        ("reading/called.py",),
    ),
    _Group(
        "Beginning",
        "Once, at the first connection or after `source accept-rewind`. One of them looks through the log's times.",
        ("start.py",),
    ),
    _Group(
        "When rules are loaded or checked",
        "At the start, after a change of the rules, and for `rules check`: small tables, read whole.",
        ("names.py", "reached.py"),
    ),
    _Group(
        "When somebody asks",
        "Only for a command: `learner show`, `learner why`, `learner export`, `events explain`, `status`.",
        ("history.py",),
    ),
    _Group(
        "doctor and init",
        "Only for these commands. `doctor` counts the newest rows of the log by name.",
        ("probe.py", "grants.py", "kept.py", "symptoms.py", "dialects/rights/mysql.py", "dialects/rights/postgres.py"),
    ),
)


def queries_page() -> str:
    """The page, as Markdown."""
    return "\n".join((_HEAD.rstrip(), *_listed())) + "\n"


def _listed() -> Iterator[str]:
    found = statements()
    figures = json.loads(FIGURES.read_text(encoding="utf-8"))
    for group in GROUPS:
        yield f"\n## {group.title}\n\n{group.when}\n"
        queries = [text for file in group.files for text in found.get(file, ())]
        yield "```sql"
        for text in dict.fromkeys(queries):
            yield text
            if text in figures:
                yield f"-- {figures[text]['ms']} ms, {figures[text]['read']:,} rows read"
        yield "```"


def statements() -> dict[str, list[str]]:
    """By file (as `GROUPS` names it), every statement in it, in one line each."""
    found: dict[str, list[str]] = {}
    for room in _ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            texts = list(_statements_in(ast.parse(path.read_text(encoding="utf-8"))))
            if texts:
                inside = path.relative_to(ROOT / room).as_posix()
                found[inside if room.endswith("logstore") else f"states/{inside}"] = texts
    return found


def _statements_in(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            text = " ".join(node.value.split())
            if text.startswith(_BEGINS) and " " in text and not text.endswith(_RIGHT):
                yield text
