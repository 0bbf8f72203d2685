"""Posts about somebody who was erased: what came before and after, from systems that post and that are asked."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import time
import unicodedata
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import orjson
import pytest

from agent.collectors.inbox import forsaken
from agent.collectors.inbox.personal import Traits, parts_about, people_of, removed
from agent.collectors.inbox.store import Inbox
from agent.collectors.pull import plan
from agent.model import Evidence
from tests.helpdesk import RULES, Desk, at, filled

ANN, BEN, CID = "U-351351", "U-361361", "U-371371"
FRIENDS = """
[[rule]]
id = "friend"
on = "course.completed"
award = [{ to = "subject", points = 20 }, { to = "referrer", points = 50 }]
once_per = "subject"
"""


def told(user: str, when: str, referrer: str = "", **more: Any) -> dict[str, Any]:
    """A completed course as the school posts it."""
    people = {"people": {"referrer": {"id": referrer}}} if referrer else {}
    course = {"context": {"course": {"id": "7"}}}
    return {"event": "course.completed", "occurred_at": at(when), "user": {"id": user, **more}, **people, **course}


def post(desk: Desk, *bodies: Any) -> None:
    """Into the inbox, as an import puts them there."""

    async def kept() -> None:
        inbox = await Inbox.open(desk.directory / "data")
        for body in bodies:
            await inbox.append("school", int(time.time()), Evidence.file, json.dumps(body).encode())
        await inbox.close()

    asyncio.run(kept())


def where(desk: Desk, word: str) -> list[str]:
    """Files of the data directory in which somebody's id stands."""
    files = [path for path in (desk.directory / "data").rglob("*") if path.is_file()]
    return [path.name for path in files if word.encode() in path.read_bytes()]


def learners(desk: Desk) -> dict[str, int]:
    """Points of those who are known."""
    found: dict[str, int] = {}
    for row in desk.export():
        if row["learner"].startswith("school:"):
            found[row["learner"]] = found.get(row["learner"], 0) + int(row["amount"])
    return found


@pytest.fixture(scope="module")
def school(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    desk = filled(tmp_path_factory.mktemp("posts") / "campus")
    (desk.directory / "rules.toml").write_text(RULES + FRIENDS)
    with desk.config.open("a") as config:
        config.write('[[source]]\nname = "school"\nkind = "generic"\npath = "/school"\n')
    post(desk, told(ANN, "09-12T09:00"))
    desk.catch_up()
    return desk


@pytest.fixture
def desk(school: Desk, tmp_path: Path) -> Desk:
    return school.copy(tmp_path / "campus")


def erased(desk: Desk) -> Any:
    return desk.json("learner", "erase", f"school:{ANN}", "--yes")


def test_a_late_post_about_who_was_erased_is_gone_as_soon_as_it_is_read(desk: Desk) -> None:
    erased(desk)
    assert where(desk, ANN) == []
    many = {"events": [told(ANN, "09-12T10:00"), told(BEN, "09-12T10:01")]}
    post(desk, told(ANN, "09-12T11:00", email="ann@example.org"), many, told(CID, "09-12T12:00"))
    assert where(desk, ANN)

    desk.catch_up()

    assert where(desk, ANN) == []
    assert learners(desk) == {f"school:{BEN}": 20, f"school:{CID}": 20}
    assert where(desk, CID), "others' posts are kept as long as ever"


def test_what_was_not_read_yet_and_is_about_others_too_is_read_before_it_goes(desk: Desk) -> None:
    post(desk, told(ANN, "09-12T10:00"), told(BEN, "09-12T10:01", referrer=ANN))
    mixed = {"events": [told(ANN, "09-12T11:00"), told(CID, "09-12T11:01", tutor={"id": ANN})]}
    post(desk, mixed)

    done = desk.command("learner", "erase", f"school:{ANN}", "--yes")
    assert "2 posts that tell of others too and are not read yet: gone as soon as they are read" in done.stdout
    with closing(sqlite3.connect(desk.directory / "data" / "inbox.db")) as inbox:
        bodies = [orjson.loads(body) for (body,) in inbox.execute("SELECT body FROM post ORDER BY no")]
    assert [len(body.get("events", [body])) for body in bodies] == [1, 1], "what is hers alone is gone at once"

    desk.catch_up()

    assert where(desk, ANN) == []
    assert learners(desk) == {f"school:{BEN}": 20, f"school:{CID}": 20}


def test_an_address_within_a_text_and_an_id_in_what_a_mapping_reads_name_somebody() -> None:
    words, nobody = ["ann@example.org"], people_of(None, "school")
    for text in ("Ann X <ann@example.org>", "sent to Ann@Example.org.", '{"email":"ann@example.org"}'):
        assert parts_about(json.dumps({"note": text}).encode(), (), words, nobody), text
    for text in ("joann@example.org", "ann@example.org.uk", "ann@example.organic", "ann+x@example.org"):
        assert not parts_about(json.dumps({"note": text}).encode(), (), words, nobody), text


def test_posts_that_are_no_json_are_known_by_whom_their_mapping_finds() -> None:
    def people(body: bytes) -> list[dict[str, str]]:
        return [{"subject": body.decode().partition("=")[2]}]

    assert parts_about(b"who=35", ["35"], (), people) == ["who=35"]
    assert not parts_about(b"who=36", ["35"], (), people)


def test_whoever_has_letters_that_are_not_english_is_found_however_a_post_writes_them(
    inbox: sqlite3.Connection,
) -> None:
    """PHP writes them as numbers unless it is told otherwise: posts that were refused stayed after an erasure."""
    traits = Traits.of([("school", "7")], ["Åsa.Öberg@example.org", "Åsa Öberg"])
    address = "åsa.öberg@example.org"
    apart = unicodedata.normalize("NFD", address)
    assert parts_about(json.dumps({"email": apart}).encode(), (), traits.words, people_of(None, "school"))
    written = (
        json.dumps({"mail": address.upper()}),
        json.dumps({"mail": apart}, ensure_ascii=False),
        json.dumps({"note": "from\nÅsa Öberg"}),
        urlencode({"who": "åsa öberg"}),
    )
    rows = [("school", text.encode()) for text in (*written, '{"mail": "visa.öberg@example.org"}')]
    insert = "INSERT INTO refused (source, received_at, reason, told, body) VALUES (?, 1, 'x', 'x', ?)"
    inbox.executemany(insert, rows)
    removed(inbox, traits, {"school": ("generic", "school")}, anew=plan.anew)
    assert inbox.execute("SELECT body FROM refused").fetchall() == [rows[-1][1:]]


def test_what_is_left_of_a_source_that_is_gone_is_found_whatever_its_site_was(inbox: sqlite3.Connection) -> None:
    for source, body in (("gone", b'{"userid": "35"}'), ("there", b'{"userid": "35"}'), ("gone", b'{"userid": "36"}')):
        inbox.execute("INSERT INTO post (source, received_at, evidence, body) VALUES (?, 1, 'file', ?)", (source, body))

    removed(inbox, Traits.of([("moodle", "35")]), {"there": ("generic", "there")}, anew=plan.anew)

    left = inbox.execute("SELECT source, body FROM post ORDER BY no").fetchall()
    assert left == [("there", b'{"userid": "35"}'), ("gone", b'{"userid": "36"}')], "whose 35 that is, is known there"


def test_posts_of_a_source_that_is_gone_are_not_kept_longer_than_others(
    inbox: sqlite3.Connection, tmp_path: Path
) -> None:
    add = "INSERT INTO post (source, received_at, evidence, body) VALUES (?, ?, 'file', x'7b7d')"
    with inbox:
        inbox.executemany(add, [("gone", 99), ("gone", 100), ("there", 99)])
        inbox.execute("INSERT INTO refused (source, received_at, reason, told, body) VALUES ('gone', 99, '', '', x'')")
        inbox.executemany("INSERT INTO pull VALUES (?, x'', 0, 99, 0, 0, 0, '')", [("gone",), ("there",)])
        inbox.executemany("INSERT INTO pulled VALUES (?, x'00', 99)", [("gone",), ("there",)])

    assert forsaken.forget(tmp_path, ["there"], before=100) == 1
    assert forsaken.forget(tmp_path / "nowhere", ["there"], before=100) == 0

    assert inbox.execute("SELECT source, received_at FROM post ORDER BY no").fetchall() == [
        ("gone", 100),
        ("there", 99),
    ]
    for table in ("pull", "pulled"):
        assert inbox.execute(f"SELECT source FROM {table}").fetchall() == [("there",)]
    assert inbox.execute("SELECT count(*) FROM refused").fetchone() == (0,)


def test_somebody_whose_wallet_is_a_posting_systems_is_meant_by_what_moodle_calls_them(
    school: Desk, tmp_path: Path
) -> None:
    desk = school.copy(tmp_path / "campus")
    columns = "site, lms_user, into_site, into_user, merged_at, merged_by, reason"
    desk.ledger(f"INSERT INTO alias ({columns}) VALUES ('moodle', '39', 'school', ?, 1, 'b', '')", ANN)
    post(
        desk, {"id": "x", "instructor": {"email": "sam@example.org"}, "event": "course.completed", "user": {"id": BEN}}
    )

    for called in ("sam", "moodle:39", f"school:{ANN}"):
        shown = desk.json("learner", "export", called)
        assert (shown["learner"], shown["username"]) == (f"school:{ANN}", "sam"), called
        assert "sam@example.org" in str(shown["posts"]), "by the address that only Moodle knows"
    assert f"Sam X (sam, school:{ANN})" in desk.command("learner", "show", "sam").stdout
    assert desk.command("learner", "why", "sam", "--on", "2026-09-07").returncode == 0
    desk.command("learner", "erase", "sam", "--yes")
    desk.catch_up()
    assert (where(desk, ANN), where(desk, "sam@example.org")) == ([], [])


@pytest.fixture
def inbox(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    async def made() -> None:
        await (await Inbox.open(tmp_path)).close()

    asyncio.run(made())
    with closing(sqlite3.connect(tmp_path / "inbox.db")) as connection:
        yield connection


def test_a_round_of_asking_that_is_about_who_was_erased_begins_anew_and_others_go_on(inbox: sqlite3.Connection) -> None:
    ask = plan.Ask(what="progress", target="v2/users/35/progress", about="35")
    under_way = plan.Round(start=10, since=20, begun=30, number=2, todo=(ask,), known={"users": ["35"]})
    other = plan.Round(start=10, since=20, begun=30, todo=(plan.Ask(what="progress", target="x/350", about="350"),))
    for source, place in (("lw", plan.written(under_way)), ("lw2", plan.written(other)), ("kudos", b"35")):
        inbox.execute("INSERT INTO pull VALUES (?, ?, 0, 0, 0, 0, 0, '')", (source, place))
    sites = {name: ("learnworlds", name) for name in ("lw", "lw2", "kudos")}

    removed(inbox, Traits.of([(name, "35") for name in sites]), sites, anew=plan.anew)

    places = dict(inbox.execute("SELECT source, place FROM pull").fetchall())
    assert plan.read(places["lw"]) == plan.Round(start=10, since=20, number=2)
    assert (places["lw2"], places["kudos"]) == (plan.written(other), b"35")


def test_an_account_from_which_nothing_came_yet_can_be_erased_beforehand_and_makes_nobody(desk: Desk) -> None:
    desk.command("learner", "erase", "school:U-999999", "--yes")
    post(desk, told("U-999999", "09-12T10:00"))
    desk.catch_up()
    assert (where(desk, "U-999999"), learners(desk)) == ([], {f"school:{ANN}": 20})
