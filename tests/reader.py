"""Somebody who follows the manual on the campus that it tells to keep: the demonstration's, with the people it names.

Commands run in this process, in the campus's directory. What the manual calls `uni-example` is `demo-campus` there, and
what only this campus knows (pseudonyms, keys, versions, months) stands for what the page shows.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import socket
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from agent.demo.stage.place import CAMPUS, Place
from tests import programs
from tests.acceptance.campus import wait_until
from tests.pages import DOCS, Typed, blocks, rule_files
from tests.pages import programs as commands

PEOPLE = {35: "ann", 36: "ben"}
LOOKS = frozenset({"--preview", "--dry-run", "--check", "--look"})
"""Options that make a command which changes something only look."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """How a command ended, and what it said."""

    code: Any
    out: str
    err: str


def run(program: str, words: list[str]) -> Said:
    """Run one of our two commands in this process; whatever it asks is answered with yes."""
    code: Any = 0
    with CliRunner().isolation(input="y\n") as said:
        try:
            commands()[program].main(args=words, prog_name=program)
        except SystemExit as end:
            code = end.code
        sys.stdout.flush()
        sys.stderr.flush()
        return Said(code=code, out=said[0].getvalue().decode(), err=said[1].getvalue().decode())


class Reader:
    """One who types what the pages say, in the directory of a demonstration whose catalogue runs."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.stands_for = self._names()
        self.prepared: set[str] = set()
        """Lines that were typed before any page was: once is enough where a second time would be refused."""

    def types(self, one: Typed) -> Said:
        """What a command of a page says here; where the page keeps the answer in a file, it is kept."""
        words = [self.stands_for.get(word, word) for word in one.words]
        words = [word.replace("/var/backups/", "backups/").replace("/media/stick/", "") for word in words]
        if one.program == "rewards-catalogue":
            words = [self._pseudonym.get(word, word) for word in words]
            if not {"--data-dir", "--config"} & set(words):
                words += ["--data-dir", str(self.place.catalogue)]
        said = run(one.program, words)
        if one.to:
            Path(one.to).write_text(said.out, encoding="utf-8")
        return said

    def typed(self, line: str) -> str:
        """What a line says, which is expected to work."""
        program, *words = shlex.split(line)
        said = self.types(Typed(page="", program=program, words=tuple(words)))
        assert said.code == 0, f"{line}: {said.err}"
        self.prepared.add(line)
        return said.out

    def prepare(self) -> None:
        """What pages take for given: rules of theirs, a reward that was asked for, kudos, files that somebody has."""
        self._rules()
        self.typed("rewards-agent ledger adjust ann@example.org 500 --reason 'holidays earn little' --by test")
        self.typed("rewards-agent sync now")
        self.typed("rewards-catalogue reward add uni-example tea --title 'A cup of tea' --price points=50 --stock 100")
        self.typed("rewards-catalogue reward approve uni-example tea")
        voucher = re.search(r"^voucher (\S+),", self.typed("rewards-agent redeem ann@example.org tea"), re.MULTILINE)
        assert voucher is not None
        wish = re.search(r"(\w+)$", self.typed("rewards-agent redemption list").strip())
        bought = re.search(r"^(\w+) ", self.typed("rewards-catalogue redemption list uni-example"))
        given = re.match(
            r"kudos (\d+)", self.typed("rewards-agent kudos give ann@example.org moodle:36 '#helpful Thank you'")
        )
        assert wish is not None
        assert bought is not None
        assert given is not None
        self.stands_for |= {
            "uni-example.pk3v5m": voucher[1],
            "5f2c9a7d11e04b7aa8c3d002": wish[1],
            "r3c1a09b7e2f84d5516aa20c4": bought[1],
            "1": given[1],
        }
        act = 'at = 2026-09-07T09:00:00, learner = "ann", kind = "lesson.completed", lesson = "1"'
        paid = 'learner = "ann", rule = "lesson-completed", points = 10'
        case = f'[[case]]\nname = "a lesson"\nevents = [{{ {act} }}]\nexpect = [{{ {paid} }}]\n'
        Path("cases.toml").write_text(case, encoding="utf-8")
        Path("campuses.csv").write_text("campus,title\nnorth,North\nsouth,South\n", encoding="utf-8")
        Path("consents.csv").write_text("email,consent\nann@example.org,yes\n", encoding="utf-8")

    def _rules(self) -> None:
        """The demonstration's rules and those of the pages, and a copy that was changed."""
        rules = self.place.rules.read_text(encoding="utf-8")
        rules = re.sub(r'(id += "assignment-on-time"(?:\n.+)*?\nmode +=) "shadow"', r'\1 "live"', rules)
        assert rules.count('"shadow"') < self.place.rules.read_text(encoding="utf-8").count('"shadow"')
        pages = [DOCS / f"{name}.md" for name in ("tutorials/first-rule", "admin/challenges", "analytics/reports")]
        taught = [text for page in pages for text in rule_files(page)]
        taught += [text for text in blocks(DOCS / "admin/badges.md", "toml") if "shine-nominee" in text]
        once = "\n".join(re.sub(r"^(schema|timezone) *=.*\n", "", text, flags=re.MULTILINE) for text in taught)
        self.place.rules.write_text(f"{rules}\n{once}", encoding="utf-8")
        changed = (self.place.rules.read_text(encoding="utf-8")).replace("award     = 10\n", "award     = 15\n")
        Path("autumn.toml").write_text(changed, encoding="utf-8")

    def _names(self) -> dict[str, str]:
        with closing(sqlite3.connect(self.place.moodle)) as moodle, moodle:
            for user, name in PEOPLE.items():
                sql = "UPDATE mdl_user SET username = ?, email = ? WHERE id = ?"
                moodle.execute(sql, (name, f"{name}@example.org", user))
        with closing(sqlite3.connect(self.place.data_dir / "ledger.db")) as ledger, ledger:
            known = dict(ledger.execute("SELECT lms_user, pseudonym FROM person"))
            (version,) = ledger.execute("SELECT version FROM rules_version LIMIT 1").fetchone()
        ann, ben = (known[str(user)] for user in PEOPLE)
        self._pseudonym = {"ann": ann, "ben": ben, "2mfi7spslsw3rstao7u5yyit": ann, "q3oexbcsjrxpsd4pd2gjq5ge": ben}
        month = datetime.now(UTC).strftime("%Y-%m")
        return {
            "uni-example": CAMPUS,
            "/etc/rewards-agent/config.toml": str(self.place.config),
            "/etc/rewards-catalogue/catalogue.toml": str(self.place.catalogue / "catalogue.toml"),
            "campus/config.toml": str(self.place.config),
            "/var/lib/rewards-catalogue": str(self.place.catalogue),
            "9674ee22759a": version[:12],
            "2026-10": month,
        }


@contextlib.contextmanager
def following(place: Place) -> Iterator[Reader]:
    """A reader in the directory of a demonstration that has ended, with its catalogue at work again."""
    before = Path.cwd()
    words = ["serve", "--data-dir", str(place.catalogue)]
    port = int(re.findall(r"127\.0\.0\.1:(\d+)", place.config.read_text(encoding="utf-8"))[-1])
    catalogue = programs.start("catalogue", words)
    os.chdir(place.directory)
    try:
        wait_until(lambda: _listens(port))
        reader = Reader(place)
        reader.prepare()
        yield reader
    finally:
        os.chdir(before)
        catalogue.terminate()
        catalogue.wait(30)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
