"""Who sees which kudos, likes and comments, and what is left of them once a learner is erased."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, make_url, select

from catalogue import schema
from catalogue.recognition import seeing
from catalogue.recognition.seeing import Viewer, Wanted
from catalogue.schema import metadata
from catalogue.store import Store
from tests.contract.catalogues import Hand
from tests.integration.recognition.people import ANN, BEN, CAT, COMMENTS, DAN, KUDOS, LIKES, Program, linked
from tests.integration.recognition.test_giving import aged
from tests.servers import PostgresDatabase
from wire import enrolment, signing
from wire.keeping import Persons

CHOICES = "/api/kudos_choices"


async def comments(lms: Program, given: int, **query: str) -> list[tuple[str, str]]:
    """(who, what) of the comments on one."""
    _, told = await lms.does("GET", COMMENTS, recognition=str(given), **query)
    return [(row["user"], row["text"]) for row in told["rows"]]


async def said(lms: Program, given: int, user: str, text: str) -> tuple[int, Any]:
    return await lms.does("POST", COMMENTS, {"recognition": given, "user": user, "key": text, "text": text})


async def test_kudos_are_seen_by_everybody_by_the_two_or_without_a_giver(lms: Program) -> None:
    open_to_all = await lms.gave(ANN, BEN)
    pair = await lms.gave(ANN, CAT, seen="pair")
    secret = await lms.gave(ANN, DAN, seen="anonymous")
    assert await lms.sees() == [(secret, ""), (open_to_all, ANN)]
    assert await lms.sees(CAT) == [(secret, ""), (pair, ANN), (open_to_all, ANN)]
    assert await lms.sees(DAN) == [(secret, ""), (open_to_all, ANN)], "who gets them is not told either"
    assert await lms.sees(ANN) == [(secret, ANN), (pair, ANN), (open_to_all, ANN)]
    assert await lms.sees(BEN, giver=ANN) == [(open_to_all, ANN)], "no filter tells who gave anonymous ones"
    assert await lms.sees(BEN, user=ANN) == [(open_to_all, ANN)]
    assert await lms.sees(all="true", giver=ANN) == [(secret, ANN), (pair, ANN), (open_to_all, ANN)]
    assert (await lms.does("GET", f"{KUDOS}/{pair}", viewer=BEN))[0] == 404
    assert (await lms.does("PUT", f"{LIKES}/{pair}/{BEN}"))[0] == 404
    assert (await said(lms, pair, BEN, "what is this"))[0] == 404
    given = {name: (await stats(lms, ANN, viewer=name))["given"] for name in (ANN, BEN, CAT)}
    assert given == {ANN: 3, BEN: 1, CAT: 2}


async def stats(lms: Program, user: str, **query: str) -> dict[str, Any]:
    """What a learner gave and got."""
    return dict((await lms.does("GET", "/api/kudos_stats", user=user, **query))[1])


async def test_a_learner_chooses_who_sees_what_they_get_or_takes_no_part(lms: Program) -> None:
    got = await lms.gave(ANN, BEN)
    gave = await lms.gave(BEN, CAT)
    secret = await lms.gave(BEN, DAN, seen="anonymous")
    await lms.does("PUT", f"{LIKES}/{secret}/{CAT}")
    assert await lms.does("PUT", f"{CHOICES}/{BEN}", {"shown": "pair"}) == (200, {"user": BEN, "shown": "pair"})
    assert await lms.sees() == [(secret, "")], "had it gone, it would have told who gave it"
    assert await lms.sees(ANN) == [(secret, ""), (got, ANN)]
    await lms.gave(CAT, BEN)
    await lms.does("PUT", f"{CHOICES}/{BEN}", {"shown": "none"})
    await lms.refused("takes-no-part", await lms.gives(ANN, BEN))
    await lms.refused("takes-no-part", await lms.gives(BEN, ANN))
    await lms.refused("takes-no-part", await said(lms, secret, BEN, "hello"))
    await lms.does("PUT", f"{CHOICES}/{CAT}", {"shown": "none"})
    assert (await lms.does("GET", LIKES, recognition=str(secret)))[1]["rows"] == []
    assert (await lms.does("GET", f"{KUDOS}/{secret}"))[1]["likes"] == 0
    for learner in (BEN, CAT):
        await lms.does("PUT", f"{CHOICES}/{learner}", {"shown": "campus"})
    assert (await lms.does("GET", f"{CHOICES}/{BEN}"))[1]["shown"] == "campus"
    assert (gave, BEN) in await lms.sees()
    await lms.refused("choice", await lms.does("PUT", f"{CHOICES}/{BEN}", {"shown": "moon"}))


async def test_likes_count_once_and_comments_are_said_hidden_and_taken_away(lms: Program) -> None:
    given = await lms.gave(ANN, BEN, message="well done")
    for learner in (CAT, CAT, DAN):
        assert (await lms.does("PUT", f"{LIKES}/{given}/{learner}"))[0] == 204
    await lms.refused("self", await lms.does("PUT", f"{LIKES}/{given}/{ANN}"))
    _, page = await lms.does("GET", LIKES, recognition=str(given), limit="1")
    assert ([row["user"] for row in page["rows"]], page["next"]) == ([CAT], CAT)
    _, page = await lms.does("GET", LIKES, recognition=str(given), limit="1", after=CAT)
    assert ([row["user"] for row in page["rows"]], page["next"]) == ([DAN], None)
    await lms.does("DELETE", f"{LIKES}/{given}/{DAN}")
    status, told = await said(lms, given, BEN, "thank you")
    assert (status, await said(lms, given, BEN, "thank you")) == (201, (200, told))
    await said(lms, given, CAT, "so true")
    _, one = await lms.does("GET", f"{KUDOS}/{given}")
    assert (one["likes"], one["comments"]) == (1, 2)
    path = f"{COMMENTS}/{given}/2/moderation"
    assert (await lms.does("POST", path, {"do": "hide", "why": "off topic"}))[0] == 204
    assert await comments(lms, given) == [(BEN, "thank you")]
    assert len(await comments(lms, given, all="true")) == 2
    await lms.does("POST", f"{COMMENTS}/{given}/0/moderation", {"do": "hide", "why": "a name in it"})
    assert (await lms.does("GET", f"{KUDOS}/{given}"))[1]["message"] == ""
    assert (await lms.does("DELETE", f"{COMMENTS}/{given}/1", user=CAT))[0] == 204
    assert await comments(lms, given) == [(BEN, "thank you")], "only who wrote it takes it away"
    await lms.does("DELETE", f"{COMMENTS}/{given}/1", user=BEN)
    assert await comments(lms, given) == []
    assert (await lms.does("POST", f"{COMMENTS}/{given}/9/moderation", {"do": "hide", "why": "x"}))[0] == 404
    await lms.does("PATCH", "/api/kudos_policy", {"comments": "1/1d"})
    await lms.refused("limit-comments", await said(lms, given, CAT, "again"))


async def test_a_comment_that_was_taken_away_leaves_its_number_and_its_key_to_no_other(lms: Program) -> None:
    """Who hid the comment that was taken away hid the next one of its author; a late repetition brought it back."""
    given = await lms.gave(ANN, BEN)
    await said(lms, given, CAT, "thank you")
    await lms.does("DELETE", f"{COMMENTS}/{given}/1", user=CAT)
    status, told = await said(lms, given, CAT, "thank you")
    assert (status, told["id"], told["state"], told["text"]) == (200, 1, "withdrawn", "")
    assert (await said(lms, given, CAT, "so true"))[1]["id"] == 2
    await lms.does("DELETE", f"{COMMENTS}/{given}/1", user=CAT)
    hide = {"do": "hide", "why": "not kind"}
    assert (await lms.does("POST", f"{COMMENTS}/{given}/1/moderation", hide))[0] == 404
    assert await comments(lms, given) == await comments(lms, given, all="true") == [(CAT, "so true")]
    assert (await lms.does("GET", f"{KUDOS}/{given}"))[1]["comments"] == 1
    async with lms.real.store.reading() as conn:
        texts = await conn.scalars(select(schema.remark.c.text).where(schema.remark.c.campus == lms.campus))
        assert sorted(texts) == ["", "so true"]
    await lms.does("PATCH", "/api/kudos_policy", {"comments": "2/1d"})
    await lms.refused("limit-comments", await said(lms, given, CAT, "what is taken away counts"))


async def test_what_everybody_may_see_is_found_without_a_look_at_every_choice(
    catalogue_database: PostgresDatabase,
) -> None:
    """With fifteen hundred who chose for themselves, a page of four hundred thousand kudos took half a minute."""
    learners, kudos = 300, 2_000
    catalogue_database.execute(
        "INSERT INTO tenant (campus, title, environment, state, created_at)"
        " VALUES ('uni', '', 'production', 'active', 0);"
        " INSERT INTO recognition (campus, no, key, kind, giver, receiver, about, seen, given_at, given_by, state,"
        " ended_by, why) SELECT 'uni', i, i::text, 'kudos', 'a' || i % 700, 'b' || i % 700, 'helpful', 'campus', i, '',"
        f" 'shown', '', '' FROM generate_series(1, {kudos}) i;"
        " INSERT INTO recognition_choice (campus, learner, shown, at)"
        f" SELECT 'uni', 'b' || i, 'pair', 0 FROM generate_series(1, {learners}) i; ANALYZE"
    )
    asked: list[tuple[str, Any]] = []
    store = await Store.open(make_url(catalogue_database.dsn))
    try:
        engine = store._engines.reading.sync_engine  # noqa: SLF001 - what it asks is what is explained
        event.listen(engine, "before_cursor_execute", lambda *said: asked.append((said[2], said[3])))
        async with store.reading() as conn:
            await seeing.listed(conn, "uni", Wanted(kind="kudos"), Viewer())
            statement, values = next((one, what) for one, what in asked if "recognition.giver" in one)
            plan = await conn.exec_driver_sql(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", values)
            looked = [
                int(one) for one in re.findall(r'"Rows Removed by Join Filter": (\d+)', json.dumps(plan.scalar()))
            ]
    finally:
        await store.close()
    assert sum(looked) <= kudos


async def test_one_person_likes_comments_and_sees_as_one_under_each_of_their_pseudonyms(lms: Program) -> None:
    given, pair = await lms.gave(ANN, BEN), await lms.gave(BEN, ANN, seen="pair")
    assert (await lms.does("PUT", f"{LIKES}/{pair}/{DAN}"))[0] == 404, "a stranger sees nothing of it"
    await linked(lms.real, lms.campus, ANN, DAN)
    await lms.refused("self", await lms.does("PUT", f"{LIKES}/{given}/{DAN}"))
    for learner in (ANN, DAN):
        assert (await lms.does("PUT", f"{LIKES}/{pair}/{learner}"))[0] == 204
    assert (await lms.does("GET", f"{KUDOS}/{pair}", viewer=DAN))[1]["likes"] == 1
    assert (pair, BEN) in await lms.sees(DAN)
    await lms.does("DELETE", f"{LIKES}/{pair}/{DAN}")
    assert (await lms.does("GET", f"{KUDOS}/{pair}", viewer=ANN))[1]["likes"] == 0
    await lms.does("PATCH", "/api/kudos_policy", {"comments": "1/1d"})
    assert (await said(lms, given, ANN, "glad to"))[0] == 201
    await lms.refused("limit-comments", await said(lms, given, DAN, "again"))
    assert (await lms.does("DELETE", f"{COMMENTS}/{given}/1", user=DAN))[0] == 204
    assert await comments(lms, given) == []
    await lms.does("PUT", f"{CHOICES}/{ANN}", {"shown": "none"})
    await lms.refused("takes-no-part", await lms.does("PUT", f"{LIKES}/{pair}/{DAN}"))


async def test_trends_and_statistics_count_what_may_be_seen(lms: Program) -> None:
    await lms.does("PATCH", "/api/kudos_policy", {"per_giver": "100/1d", "per_pair": "100/1d"})
    for tag, seen in (("thanks", "campus"), ("helpful", "campus"), ("thanks", "pair")):
        await lms.gave(ANN, BEN, tag=tag, seen=seen)
    await aged(lms, 8 * 86_400)
    for tag in ("helpful", "helpful", "stapler"):
        await lms.gave(CAT, BEN, tag=tag)
    _, told = await lms.does("GET", "/api/kudos_trends")
    assert [(row["tag"], row["kudos"], row["before"]) for row in told["tags"]] == [
        ("helpful", 2, 1), ("stapler", 1, 0), ("thanks", 0, 1),
    ]  # fmt: skip
    await lms.does("PUT", "/api/kudos_tags/stapler", {"state": "blocked"})
    assert "stapler" not in str((await lms.does("GET", "/api/kudos_trends"))[1])
    assert (await stats(lms, BEN, days="7"))["tags"] == {"helpful": 2, "stapler": 1}
    everything = await stats(lms, BEN, viewer=BEN)
    assert (everything["received"], everything["given"]) == (6, 0)
    assert (await stats(lms, BEN))["received"] == 5


async def test_kudos_are_read_page_by_page_the_newest_first_by_tag_and_day(lms: Program) -> None:
    given = [await lms.gave(ANN, to, tag=tag) for to, tag in ((BEN, "thanks"), (CAT, "helpful"), (DAN, "thanks"))]
    _, page = await lms.does("GET", KUDOS, limit="2")
    assert ([row["id"] for row in page["rows"]], page["next"]) == ([given[2], given[1]], given[1])
    _, page = await lms.does("GET", KUDOS, limit="2", after=str(page["next"]))
    assert ([row["id"] for row in page["rows"]], page["next"]) == ([given[0]], None)
    assert [one for one, _ in await lms.sees(tag="#Thanks")] == [given[2], given[0]]
    assert await lms.sees(until="2020-01-01") == []
    assert len(await lms.sees(**{"from": "2020-01-01", "receiver": CAT})) == 1


@pytest.fixture
async def hand(lms: Program, tmp_path: Path) -> AsyncIterator[Hand]:
    made = Hand(lms.real, tmp_path, campus=lms.campus)
    await made.enrol(await lms.real.add_tenant(lms.campus))
    yield made
    await made.client.close()


async def test_an_erased_learner_leaves_no_word_no_like_and_no_name_in_recognition(lms: Program, hand: Hand) -> None:
    mine = await lms.gave(ANN, BEN, message="from ann's heart", tag="annie")
    got = await lms.gave(CAT, ANN, message="to dear ann")
    other = await lms.gave(CAT, BEN, message="nothing to do with it")
    await lms.does("POST", "/api/awards", {"key": "1", "receiver": ANN, "badge": "shine", "message": "for ann"})
    for given in (mine, got, other):
        await lms.does("PUT", f"{LIKES}/{given}/{DAN}")
        await said(lms, given, DAN, "for ann" if given != other else "so true")
    await lms.does("PUT", f"{LIKES}/{other}/{ANN}")
    await said(lms, other, ANN, "ann was here")
    await lms.does("PUT", f"{CHOICES}/{ANN}", {"shown": "pair"})
    body = Persons(campus=lms.campus, agent=hand.agent, persons=(), gone=(ANN,)).encode()
    key_id = enrolment.agent_key_id(lms.campus, hand.agent, hand.key.fingerprint)
    for _ in range(2):
        answer = await hand.client.post_signed("/v1/persons", body, key=hand.key, key_id=key_id, tag=signing.KEEP_TAG)
        assert answer.status == 200, answer.body
    kept = [table for name, table in metadata.tables.items() if name.startswith(("recognition", "remark", "liking"))]
    async with lms.real.store.reading() as conn:
        found = [await conn.execute(select(table).where(table.c.campus == lms.campus)) for table in kept]
        rows = [str(row) for table in found for row in table]
        remark = schema.remark.c
        texts = await conn.scalars(select(remark.text).where(remark.campus == lms.campus).order_by(remark.no))
        left = texts.all()
    assert not any("ann" in row for row in rows), rows
    assert left == ["nothing to do with it", "so true"]
    assert await lms.sees(BEN) == [(other, CAT)]
    assert (await lms.does("GET", f"{KUDOS}/{got}", all="true"))[0] == 404
