"""Two Moodle sites on a real MariaDB and a school that posts: one person has one wallet, a stranger nothing of it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import aiohttp

from tests import servers
from tests.acceptance.campus import Campus, campus, serving, wait_until
from tests.acceptance.test_posts import _answers
from tests.posts import TOKEN
from tests.sites import LOGGED_IN, NOW, MariaSite, log, put

RULES = """
schema = 1
timezone = "UTC"
[[rule]]
id = "login"
on = "user.logged_in"
award = 10
once_per = "event"
limit = "5/day"
"""


def a_campus(directory: Path, north: MariaSite, south: MariaSite, trusted: str) -> tuple[Campus, int]:
    """Two logs and a school; those of ``trusted`` may say who is who."""
    directory.mkdir(parents=True)
    (directory / "school.token").write_text(TOKEN)
    (directory / "school.token").chmod(0o600)
    port = servers.free_port()
    database = south.database
    second = (
        f'[[source]]\nname = "south"\nkind = "moodle-logstore"\nstart_at = "beginning"\nreconcile = "off"\n'
        f'url = "{database.reader_dsn}"\n'
        'password_file = "db.password"\n'
    )
    # What it posts lies as far back as the logs do, on whatever day this is run.
    school = (
        '[[source]]\nname = "school"\nkind = "generic"\npath = "/school"\nbearer_token_files = ["school.token"]\n'
        'backdated_after = "36500d"\n'
    )
    more = f'{second}{school}[http]\nlisten = "127.0.0.1:{port}"\n[identity]\nsources_trusted_to_link = [{trusted}]\n'
    return campus(directory, north.database, RULES, extra=more), port


def login(site: MariaSite, number: int, user: int) -> None:
    at = NOW - 3_600 + number
    row = {"objecttable": "user", "objectid": user, "courseid": 0, "contextlevel": 10, "timecreated": at}
    log(site, number, eventname=LOGGED_IN, userid=user, **row)


async def post(port: int, who: str, email: str) -> int:
    body = {"event": "user.logged_in", "occurred_at": NOW - 3_000, "id": who, "user": {"id": who, "email": email}}
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"http://127.0.0.1:{port}/school", json=body, headers=headers) as answer,
    ):
        return answer.status


def sums(at: Campus) -> dict[str, int]:
    found: dict[str, int] = {}
    for row in at.export():
        found[row["learner"]] = found.get(row["learner"], 0) + int(row["amount"])
    return found


def paid(directory: Path, north: MariaSite, south: MariaSite, trusted: str) -> tuple[Campus, dict[str, int]]:
    at, port = a_campus(directory, north, south, trusted)
    at.catch_up()
    with serving(at) as service:
        wait_until(lambda: _answers(port))
        statuses = [asyncio.run(post(port, who, mail)) for who, mail in (("a1", "ANN@x.org"), ("b1", "shared@x.org"))]
        wait_until(lambda: "school" in " ".join(row["source"] for row in at.export()))
        service.end()
    at.catch_up()
    assert statuses == [200, 200]
    return at, sums(at)


def test_a_person_of_two_sites_and_a_school_has_one_wallet_and_what_is_doubtful_waits(
    mariadb: servers.MariaDB, tmp_path: Path
) -> None:
    north, south = (MariaSite(mariadb.create_database()) for _ in range(2))
    for site, first in ((north, 35), (south, 70)):
        put(site, "user", id=first, username="ann", idnumber="HR-7", email="ann@x.org")
        put(site, "user", id=first + 1, username="ben", idnumber="0", email="shared@x.org")
        put(site, "user", id=first + 2, username="cem", idnumber="", email="shared@x.org")
        site.database.grant_reader()
        for number in range(1, 4):
            login(site, number, first)
        login(site, 4, first + 1)
    at, found = paid(tmp_path / "a", north, south, '"moodle", "south", "school"')
    assert found == {"moodle:35": 50, "moodle:36": 10, "south:71": 10, "school:b1": 10}, "five a day, of all together"
    merges = at.json("learner", "merges")
    assert [(one["from"], one["into"]) for one in merges] == [("south:70", "moodle:35"), ("school:a1", "moodle:35")]
    shown = at.command("learner", "show", "moodle:36").stdout
    assert "held: two accounts of one site have this e-mail" in shown
    assert at.json("status")["ledger"]["links_held"] == 2

    told = at.command("learner", "unlink", "south:70", "--preview").stdout
    assert "south:70 would be its own again, no longer moodle:35: 20 points moved" in told
    done = at.json("learner", "unlink", "south:70", "--reason", "her brother", "--by", "B. Desk")
    assert (done["was"], done["gains"]) == ("moodle:35", {"points": 20})
    assert sums(at) == {**found, "moodle:35": 30, "south:70": 20}
    at.command("ledger", "verify")

    _, apart = paid(tmp_path / "b", north, south, '"moodle", "south"')
    assert (apart["moodle:35"], apart["school:a1"]) == (50, 10), "the school is not trusted: nothing of it is Ann's"
    for site in (north, south):
        site.database.drop()
