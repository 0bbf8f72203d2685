"""A person who is planted everywhere, in words that nobody else has, is nowhere once erased: campus, centre, logs."""

from __future__ import annotations

import json
import signal
import sqlite3
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests import servers
from tests.acceptance.campus import Campus, campus, serving, wait_until
from tests.acceptance.test_posts import _answers
from tests.acceptance.test_recovery import CAMPUS, enrolled
from tests.integration.test_catalogue_process import Served, command
from tests.integration.test_catalogue_process import serving as centre
from tests.posts import TOKEN
from tests.sites import LOGGED_IN, MariaSite, log, put

ANN, BEN = 351351351, 36
WORDS = (b"351351351", b"annzq", b"Annezq", b"Lastzq", b"idzq", b"IDZQ", b"zqmail.example", b"10.99.88.77", b"zqtext")
"""The id, username, names, idnumber, address and network address of Ann, and what she wrote."""
RULES = """
schema = 1
timezone = "UTC"

[[rule]]
id = "login"
on = "user.logged_in"
award = 30
message = "Welcome, {learner.first_name}"

[[rule]]
id = "posted"
on = "forum.posted"
award = 5
once_per = "event"
min_trust = "server_verified"

[[rule]]
id = "friend"
on = "course.completed"
award = [{ to = "subject", points = 20 }, { to = "referrer", points = 50 }]
once_per = "subject"

[[rule]]
id = "sale"
on = "submission.received"
award = 5
review = "always"

[[rule]]
id = "thanked"
on = "kudos.given"
award = 3
reverse_on = "kudos.revoked"

[[badge]]
id = "shine"
name = "Shine"
"""
SOURCES = """
[[source]]
name = "school"
kind = "generic"
path = "/school"
bearer_token_files = ["school.token"]
backdated_after = "36500d"

[[source]]
name = "trigger"
kind = "tool-trigger"
path = "/moodle"
same_site_as = "moodle"
bearer_token_files = ["school.token"]

[[source]]
name = "kudos"
kind = "generic"
same_site_as = "moodle"
pay_before_log = true

[identity]
link_by = ["idnumber", "email"]
sources_trusted_to_link = ["moodle", "school"]

[privacy]
identity = "username"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A campus and a catalogue at work, and what Moodle tells."""

    site: MariaSite
    at: Campus
    catalogue: Served
    port: int
    books: servers.PostgresDatabase

    def post(self, path: str, body: Any) -> int:
        """Post something; the answer's status. The answer must not say who it was about."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
        asked = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data, headers)
        try:
            with urllib.request.urlopen(asked, timeout=30) as answer:  # noqa: S310 - our own door
                status, answered = answer.status, answer.read()
        except urllib.error.HTTPError as refused:
            status, answered = refused.code, refused.read()
        assert not said(answered), answered
        return int(status)

    def logged(self) -> list[str]:
        """Lines that either program wrote into its log with a word of Ann in it."""
        assert self.catalogue.log is not None
        texts = [(self.at.directory / "service.log").read_bytes(), self.catalogue.log.read_bytes()]
        return [line.decode() for text in texts for line in text.splitlines() if said(line)]

    def where(self, *, campus_only: bool = False) -> list[tuple[str, bytes]]:
        """Files of either end in which a word of Ann stands; of the centre those of its database."""
        files = [path for path in (self.at.directory / "data").rglob("*") if path.is_file()]
        files += [] if campus_only else self._of_the_centre()
        return sorted((path.name, word) for path in files for word in said(path.read_bytes()))

    def _of_the_centre(self) -> list[Path]:
        self.books.execute("CHECKPOINT")
        ((folder,),) = self.books.rows("SHOW data_directory")
        ((number,),) = self.books.rows("SELECT oid FROM pg_database WHERE datname = current_database()")
        return [path for path in (Path(folder) / "base" / str(number)).iterdir() if path.is_file()]

    def cells(self) -> list[tuple[str, str]]:
        """Tables of the ledger, and in what words a cell has Ann's id there, be it a number or a text."""
        with closing(sqlite3.connect(self.at.directory / "data" / "ledger.db")) as ledger:
            tables = [name for (name,) in ledger.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
            rows = ((name, row) for name in tables for row in ledger.execute(f"SELECT * FROM {name}"))
            return [(name, str(cell)) for name, row in rows for cell in row if str(ANN) in str(cell)]


def said(text: bytes) -> list[bytes]:
    """The words of Ann in it."""
    return [word for word in WORDS if word in text]


def posted(site: MariaSite, number: int, user: int, post: int, when: int) -> None:
    put(site, "forum_posts", id=post, discussion=1, userid=user, wordcount=30, message="zqtext of a post")
    row = {"objecttable": "forum_posts", "contextlevel": 70, "contextinstanceid": 12, "other": '{"s":"zqtext"}'}
    name = r"\mod_forum\event\post_created"
    log(site, number, eventname=name, objectid=post, userid=user, timecreated=when, **row)


def login(site: MariaSite, number: int, user: int, when: int) -> None:
    place = {"objecttable": "user", "objectid": user, "contextlevel": 10, "contextinstanceid": 0, "courseid": 0}
    log(site, number, eventname=LOGGED_IN, userid=user, ip="10.99.88.77", timecreated=when, **place)


@pytest.fixture
def place(
    mariadb_database: servers.MariaDatabase, catalogue_database: servers.PostgresDatabase, tmp_path: Path
) -> Iterator[Place]:
    site, now = MariaSite(mariadb_database), int(time.time())
    named = {"username": "annzq", "idnumber": "IDZQ-1", "email": "annzq@zqmail.example"}
    put(site, "user", id=ANN, firstname="Annezq", lastname="Lastzq", **named)
    put(site, "user", id=BEN, username="ben", firstname="Ben", lastname="B", idnumber="B-1", email="ben@example.org")
    put(site, "context", id=1, contextlevel=10, instanceid=0, path="/1", depth=1)
    put(site, "course", id=3, shortname="BIO101", fullname="BIO101", enablecompletion=1, category=1)
    put(site, "context", id=84, contextlevel=50, instanceid=3, path="/1/84", depth=2)
    site.database.grant_reader()
    login(site, 1, ANN, now - 7_200)
    login(site, 2, BEN, now - 7_100)
    posted(site, 3, ANN, 501, now - 7_000)
    port = servers.free_port()
    with centre(tmp_path / "centre", database=catalogue_database.dsn, log=tmp_path / "catalogue.log") as catalogue:
        door = f'[http]\nlisten = "127.0.0.1:{port}"\n'
        extra = f'{SOURCES}[catalogue]\nurl = "{catalogue.url}"\nkudos = "kudos"\n{door}'
        at = campus(tmp_path / "campus", mariadb_database, RULES, extra=extra)
        (at.directory / "school.token").write_text(TOKEN)
        (at.directory / "school.token").chmod(0o600)
        enrolled(at, catalogue)
        yield Place(site=site, at=at, catalogue=catalogue, port=port, books=catalogue_database)


def held(at: Campus) -> list[str]:
    """What of her waits for somebody to look at it, and for nothing else."""
    return [str(row["decision"]) for row in at.json("review", "list") if row["rule_id"] == "sale"]


def planted(place: Place) -> None:
    """Ann does all that somebody can do, in the right words and in wrong ones."""
    at, now = place.at, int(time.time())
    who = {"id": "s-351351351", "email": "annzq@zqmail.example", "name": "Annezq Lastzq"}
    done = {"event": "course.completed", "occurred_at": now - 600, "user": who, "context": {"course": {"id": "7"}}}
    assert place.post("/school", {**done, "ip": "10.99.88.77", "note": "zqtext"}) == 200
    friend = {**done, "user": {"id": "b-1", "email": "ben@example.org"}, "people": {"referrer": {"id": "s-351351351"}}}
    assert place.post("/school", friend) == 200
    assert place.post("/school", {**done, "event": "submission.received", "id": "zqtext-1"}) == 200
    for wrong in (
        {**done, "occurred_at": "annzq"},
        {**done, "user": {"id": ["annzq@zqmail.example"]}},
        {**done, "event": "annzq@zqmail.example"},
        {**done, "metrics": {"score_pct": "Annezq"}},
        b'{"user": "annzq@zqmail.example"',
        b"Annezq Lastzq annzq@zqmail.example",
    ):
        place.post("/school", wrong)
        place.post("/moodle", wrong)
    trigger = {"eventname": r"\core\event\user_loggedin", "userid": ANN, "timecreated": now - 30}
    place.post("/moodle", {**trigger, "user_email": "annzq@zqmail.example"})
    place.post("/annzq@zqmail.example?token=annzq", {})
    wait_until(lambda: any(row["rule_id"] == "friend" for row in at.export()))
    wait_until(lambda: held(at))
    at.command("review", "approve", *held(at), "--reason", "fine")
    at.command("ledger", "adjust", f"moodle:{ANN}", "5", "--currency", "points", "--reason", "a gift", "--by", "Desk")
    at.command("sync", "now")
    at.command("kudos", "give", f"moodle:{ANN}", f"moodle:{BEN}", "#helpful zqtext thanks")
    at.command("kudos", "give", f"moodle:{BEN}", f"moodle:{ANN}", "#helpful zqtext back")
    at.command("kudos", "comment", f"moodle:{ANN}", "1", "zqtext comment")
    at.command("badge", "assign", "shine", "--learner", f"moodle:{ANN}", "--message", "well", "--by", "Desk")
    at.command("redeem", f"moodle:{ANN}", "tea", "--by", "desk")


def test_who_was_planted_everywhere_is_nowhere_and_does_not_come_back(place: Place) -> None:
    at, where = place.at, ("--config", str(place.catalogue.config))
    reward = ["--title", "A cup of tea", "--price", "points=20", "--stock", "9", "--approve"]
    command("reward", "add", CAMPUS, "tea", *reward, *where)
    at.catch_up()
    with serving(at):
        wait_until(lambda: _answers(place.port))
        planted(place)
        at.command("backup")
        wait_until(lambda: json.loads(command("wallet", "find", CAMPUS, "annzq", *where, "--json").stdout)["names"], 90)
        everywhere = {"person", "event", "decision", "hold", "alias", "account_tag"}
        assert {table for table, _ in place.cells()} >= everywhere
        shown = at.json("learner", "export", "annzq")
        assert all(shown["ledger"][table] for table in ("wish", "name_told", "entry", *everywhere))
        assert len(shown["posts"]) > 5

        done = at.json("learner", "erase", "annzq", "--by", "D. P.", "--yes")

        assert (done["left"], sorted(done["accounts"])) == ([], [f"moodle:{ANN}", f"school:s-{ANN}"])
        assert place.where(campus_only=True) == []
        comes_again(place)
        assert (place.where(campus_only=True), place.cells()) == ([], [])
        at.command("ledger", "verify")
        assert said(at.command("audit", "list", "--json").stdout.encode()) == []
    assert place.logged() == []
    place.catalogue.end(signal.SIGTERM)
    place.catalogue.start()  # so as not to wait a minute until it looks
    wait_until(lambda: place.where() == [])
    command("verify", *where)
    assert said(command("audit", "list", CAMPUS, *where, "--json").stdout.encode()) == []
    assert sum(row["learner"] == f"moodle:{BEN}" for row in at.export()) >= 3, "others have what they had"


def comes_again(place: Place) -> None:
    """The person is told of once more, by a log, by a post and by the end of the account; then somebody else is."""
    now, before = int(time.time()), len(place.at.export())
    who = {"id": f"s-{ANN}", "email": "annzq@zqmail.example"}
    late = {"event": "course.completed", "occurred_at": now - 60, "user": who, "context": {"course": {"id": "8"}}}
    assert place.post("/school", late) == 200
    login(place.site, 10, ANN, now - 50)
    other = '{"username":"annzq","email":"annzq@zqmail.example","idnumber":"IDZQ-1"}'
    deleted = {"objecttable": "user", "objectid": ANN, "contextlevel": 30, "contextinstanceid": ANN, "courseid": 0}
    row = {"userid": 2, "relateduserid": ANN, "timecreated": now - 40, "other": other, **deleted}
    log(place.site, 12, eventname=r"\core\event\user_deleted", **row)
    posted(place.site, 13, BEN, 502, now - 30)
    assert place.post("/school", {**late, "user": {"id": "c-1"}}) == 200
    wait_until(lambda: len(place.at.export()) == before + 2)
    wait_until(lambda: place.where(campus_only=True) == [])
