"""Kudos and awards given, taken back, hidden: over real HTTP, on each database."""

from __future__ import annotations

import asyncio
from typing import Any

from sqlalchemy import select, update

from catalogue import acts, schema
from catalogue.recognition import policy
from catalogue.recognition.agents import feed
from tests.integration.recognition.people import ANN, BEN, CAT, COMMENTS, DAN, KUDOS, LIKES, Program, linked

AWARDS = "/api/awards"
POLICY = "/api/kudos_policy"


async def audited(lms: Program, act: str) -> list[dict[str, Any]]:
    """Acts of this name, the newest first."""
    async with lms.real.store.reading() as conn:
        return [one async for one in acts.listed(conn, {"campus": lms.campus, "act": act})]


async def aged(lms: Program, seconds: int) -> None:
    """As if everything had been given so long ago."""
    table = schema.recognition
    older = update(table).where(table.c.campus == lms.campus).values(given_at=table.c.given_at - seconds)
    async with lms.real.store.writing() as conn:
        await conn.execute(older)


async def test_kudos_go_from_learner_to_learner_with_a_tag_and_a_message_once(lms: Program) -> None:
    said = {"key": "1", "giver": ANN, "receiver": BEN, "say": "#Helpful  Thank you\n for your notes "}
    status, told = await lms.does("POST", KUDOS, said)
    assert (status, told["tag"], told["message"], told["seen"]) == (
        201,
        "helpful",
        "Thank you\nfor your notes",
        "campus",
    )
    assert (told["giver"], told["receiver"], told["state"]) == (ANN, BEN, "shown")
    assert await lms.does("POST", KUDOS, said) == (200, told), "the same key again is the same kudos"
    await lms.refused("key", await lms.does("POST", KUDOS, said | {"receiver": CAT}))
    assert (await lms.does("GET", f"{KUDOS}/{told['id']}")) == (200, told)
    assert await lms.sees() == [(told["id"], ANN)]


async def test_what_may_not_be_given_is_refused_with_its_reason(lms: Program) -> None:
    for fields, code in (
        ({"receiver": ANN}, "self"),
        ({"receiver": "nobody"}, "unknown-learner"),
        ({"tag": "two words"}, "tag"),
        ({"message": "write to me: ann@example.org"}, "text"),
        ({"message": "look at https://example.org"}, "text"),
        ({"message": "call 0791 234 56 78"}, "text"),
        ({"message": "\u202eturned around"}, "text"),
        ({"message": "x" * 501}, "text"),
        ({"seen": "nobody"}, "seen"),
        ({"colour": "green"}, "body"),
        ({"giver": 7}, "body"),
        ({"say": "no tag"}, "tag"),
    ):
        asked: dict[str, Any] = {"giver": ANN, "receiver": BEN} | fields
        await lms.refused(code, await lms.gives(**asked))
    assert await lms.sees() == []


async def test_a_giver_s_limits_hold_and_free_with_time(lms: Program) -> None:
    await lms.does("PATCH", POLICY, {"per_giver": "3/1d", "per_pair": "2/7d"})
    first = await lms.gave(ANN, BEN)
    await lms.gave(ANN, BEN)
    await lms.refused("limit-pair", await lms.gives(ANN, BEN))
    assert (await lms.does("DELETE", f"{KUDOS}/{first}", user=ANN))[0] == 204
    await lms.refused("limit-pair", await lms.gives(ANN, BEN))
    await lms.gave(ANN, CAT)
    status, told = await lms.gives(ANN, DAN)
    assert (status, told["error"]) == (409, "limit-giver")
    assert "3/1d" in told["message"]
    assert "UTC" in told["message"]
    await lms.gave(BEN, ANN)
    await aged(lms, 86_400)
    await lms.refused("limit-pair", await lms.gives(ANN, BEN))
    await lms.gave(ANN, CAT)
    await aged(lms, 6 * 86_400)
    await lms.gave(ANN, BEN)


async def test_kudos_and_comments_that_were_refused_stay_refused_under_their_key_and_a_new_key_is_decided_anew(
    lms: Program,
) -> None:
    await lms.does("PATCH", POLICY, {"per_giver": "1/1d", "comments": "1/1h"})
    given = await lms.gave(ANN, BEN)
    said = {"key": "late", "giver": ANN, "receiver": BEN, "tag": "helpful"}
    told = await lms.does("POST", KUDOS, said)
    await lms.refused("limit-giver", told)
    talk = {"recognition": given, "user": CAT, "key": "c1", "text": "well done"}
    await lms.does("POST", COMMENTS, talk)
    await lms.refused("limit-comments", await lms.does("POST", COMMENTS, talk | {"key": "c2"}))
    nobody = {"key": "n", "giver": ANN, "receiver": "erin", "tag": "helpful"}
    await lms.refused("unknown-learner", await lms.does("POST", KUDOS, nobody))
    await lms.refused("tag", await lms.does("POST", KUDOS, said | {"key": "mended", "tag": "two words"}))
    await lms.does("PATCH", POLICY, {"per_giver": "9/1d", "comments": "9/1h"})
    assert await lms.does("POST", KUDOS, said) == told
    await lms.refused("limit-comments", await lms.does("POST", COMMENTS, talk | {"key": "c2"}))
    await lms.refused("unknown-learner", await lms.does("POST", KUDOS, nobody))
    await lms.refused("key", await lms.does("POST", KUDOS, said | {"receiver": CAT}))
    assert (await lms.does("POST", COMMENTS, talk | {"user": DAN, "key": "c2"}))[0] == 201
    assert (await lms.does("POST", KUDOS, said | {"key": "mended"}))[0] == 201, "what could not be read was no answer"
    assert (await lms.does("POST", KUDOS, said | {"key": "later", "receiver": CAT}))[0] == 201


async def test_whoever_has_a_pseudonym_at_each_of_two_agents_is_one_giver(lms: Program) -> None:
    await lms.does("PATCH", POLICY, {"per_pair": "1/7d"})
    await linked(lms.real, lms.campus, ANN, DAN)
    await lms.refused("self", await lms.gives(ANN, DAN))
    await lms.gave(ANN, BEN)
    await lms.refused("limit-pair", await lms.gives(DAN, BEN))
    assert await lms.gave(BEN, ANN)
    await lms.refused("limit-pair", await lms.gives(BEN, DAN))
    await lms.does("PUT", f"/api/kudos_choices/{DAN}", {"shown": "none"})
    await lms.refused("takes-no-part", await lms.gives(CAT, ANN))


async def test_a_giver_takes_back_under_either_pseudonym_what_they_gave_under_one(lms: Program) -> None:
    given, other = await lms.gave(ANN, BEN), await lms.gave(CAT, BEN)
    assert (await lms.does("DELETE", f"{KUDOS}/{given}", user=DAN))[0] == 404
    await linked(lms.real, lms.campus, ANN, DAN)
    assert (await lms.does("DELETE", f"{KUDOS}/{given}", user=DAN))[0] in {200, 204}
    assert (await lms.does("DELETE", f"{KUDOS}/{other}", user=DAN))[0] == 404
    assert await lms.sees() == [(other, CAT)]


async def test_what_was_given_and_taken_back_is_told_in_one_order(lms: Program) -> None:
    first, second = await lms.gave(ANN, BEN), await lms.gave(ANN, CAT)
    await lms.does("POST", AWARDS, {"key": "1", "receiver": BEN, "badge": "shine"})
    await lms.does("DELETE", f"{KUDOS}/{first}", user=ANN)
    told, after, more = [], 0, True
    while more:
        async with lms.real.store.reading() as conn:
            lines, after, more = await feed.lines(conn, lms.campus, after, 2)
        told += [(line["no"], line["what"], line["of"]) for line in lines]
    assert told == [(1, "given", first), (2, "given", second), (4, "revoked", first)]
    assert after == 4


async def test_settings_that_are_changed_at_once_are_all_changed(lms: Program) -> None:
    """Each change wrote the whole policy as it had been before the others."""
    await lms.does("PATCH", POLICY, {"kudos": True})
    wanted = {"words": False, "custom_tags": False, "anonymous": False, "comments": "5/1d", "per_pair": "1/7d"}
    answers = await asyncio.gather(*(lms.does("PATCH", POLICY, {name: value}) for name, value in wanted.items()))
    assert {status for status, _ in answers} == {200}
    told = (await lms.does("GET", POLICY))[1]
    assert {name: told[name] for name in wanted} == wanted
    *acts_of_each, _made = await audited(lms, "kudos-policy.change")
    changed = [set(row) for act in acts_of_each for row in act["after"].values()]
    assert sorted(changed, key=str) == sorted(({name} for name in wanted), key=str), "no act tells of another's change"


async def test_many_at_once_give_no_more_than_the_limit(lms: Program) -> None:
    await lms.does("PATCH", POLICY, {"per_giver": "3/1d"})
    answers = await asyncio.gather(*(lms.gives(ANN, to) for to in (BEN, CAT, DAN) * 2))
    assert sorted(status for status, _ in answers) == [201] * 3 + [409] * 3
    assert len(await lms.sees()) == 3


async def test_a_giver_takes_their_own_back_and_nobody_else_does(lms: Program) -> None:
    given = await lms.gave(ANN, BEN)
    assert (await lms.does("DELETE", f"{KUDOS}/{given}", user=BEN))[0] == 404
    assert (await lms.does("DELETE", f"{KUDOS}/{given}", user=ANN))[0] == 204
    assert (await lms.does("DELETE", f"{KUDOS}/{given}", user=ANN))[0] == 204
    assert await lms.sees(BEN) == []
    (row,) = (await lms.does("GET", KUDOS, all="true"))[1]["rows"]
    assert (row["state"], row["ended_by"], row["why"]) == ("revoked", "token lms", "taken back")
    assert await audited(lms, "kudos") == [], "what learners do is no administrative act"


async def test_an_award_has_giver_receiver_and_message_and_is_revoked_on_record(lms: Program) -> None:
    said = {"key": "1", "receiver": BEN, "badge": "shine", "message": "For helping the new ones"}
    status, told = await lms.does("POST", AWARDS, said)
    assert (status, told["giver"], told["badge"], told["given_by"]) == (201, "", "shine", "token lms")
    assert (await lms.does("POST", AWARDS, said))[0] == 200
    assert (await lms.does("POST", AWARDS, said | {"key": "2", "giver": ANN}))[1]["giver"] == ANN
    await lms.refused("self", await lms.does("POST", AWARDS, said | {"key": "3", "giver": BEN}))
    path = f"{AWARDS}/{told['id']}/moderation"
    await lms.refused("body", await lms.does("POST", path, {"do": "revoke"}))
    status, gone = await lms.does("POST", path, {"do": "revoke", "why": "given to the wrong one"})
    assert (status, gone["state"], gone["why"], gone["ended_by"]) == (
        200, "revoked", "given to the wrong one", "token lms",
    )  # fmt: skip
    (act,) = await audited(lms, "award.revoke")
    assert (act["by"], act["about"], act["why"]) == ("token lms", str(told["id"]), "given to the wrong one")
    (changed,) = act["after"].values()
    assert changed["state"] == "revoked"
    assert len(await audited(lms, "award.give")) == 2
    assert (await lms.does("GET", f"{AWARDS}/{told['id']}"))[0] == 404
    await lms.refused("revoked", await lms.does("POST", path, {"do": "show", "why": "sorry"}))
    assert (await lms.does("POST", f"{KUDOS}/{told['id']}/moderation", {"do": "hide", "why": "x"}))[0] == 404


async def test_hidden_kudos_are_seen_by_nobody_until_they_are_shown_again(lms: Program) -> None:
    given = await lms.gave(ANN, BEN, message="not kind")
    path = f"{KUDOS}/{given}/moderation"
    assert (await lms.does("POST", path, {"do": "hide", "why": "not kind"}))[1]["state"] == "hidden"
    for viewer in ("", ANN, BEN):
        assert await lms.sees(viewer) == []
    assert (await lms.does("PUT", f"{LIKES}/{given}/{CAT}"))[0] == 404
    assert (await lms.does("POST", path, {"do": "show", "why": "it was a joke"}))[0] == 200
    assert await lms.sees() == [(given, ANN)]
    assert [act["act"] for act in await audited(lms, "kudos")] == ["kudos.show", "kudos.hide"]
    said = "".join(str(act) for act in await audited(lms, "kudos"))
    assert "not kind" in said, "the reason is on record"
    async with lms.real.store.reading() as conn:
        written = await conn.scalars(select(schema.act.c.after).where(schema.act.c.campus == lms.campus))
        assert not any('"text"' in after for after in written), "what learners say is never in an act"


async def test_a_campus_decides_whether_there_are_kudos_words_and_other_tags(lms: Program) -> None:
    await lms.does("PATCH", POLICY, {"words": False, "custom_tags": False, "anonymous": False})
    await lms.refused("no-words", await lms.gives(message="thanks"))
    await lms.refused("tag-unknown", await lms.gives(tag="stapler"))
    await lms.refused("anonymous", await lms.gives(seen="anonymous"))
    given = await lms.gave()
    comment = {"recognition": given, "user": CAT, "key": "1", "text": "true"}
    await lms.refused("no-words", await lms.does("POST", COMMENTS, comment))
    assert (await lms.does("PUT", "/api/kudos_tags/stapler", {"title": "Lends a stapler"}))[0] == 204
    assert (await lms.does("PUT", "/api/kudos_tags/helpful", {"state": "blocked"}))[0] == 204
    await lms.gave(tag="#Stapler", receiver=CAT)
    await lms.refused("tag-blocked", await lms.gives(receiver=CAT))
    assert (await lms.does("DELETE", "/api/kudos_tags/helpful"))[0] == 204
    assert (await lms.does("DELETE", "/api/kudos_tags/helpful"))[0] == 404
    told = {
        tag["tag"]: (tag["state"], tag["predefined"]) for tag in (await lms.does("GET", "/api/kudos_tags"))[1]["tags"]
    }
    assert (told["stapler"], told["helpful"]) == (("offered", False), ("offered", True))
    assert [act["act"] for act in await audited(lms, "kudos-tag")] == ["kudos-tag.remove", *["kudos-tag.put"] * 2]
    for wrong in ({"per_pair": "2"}, {"per_pair": "9999/1d"}, {"seen": "moon"}, {"words": "yes"}, {"x": 1}):
        await lms.refused("policy", await lms.does("PATCH", POLICY, wrong))
    assert (await lms.does("PATCH", POLICY, {"kudos": False}))[1]["kudos"] is False
    await lms.refused("kudos-off", await lms.gives(receiver=DAN))


async def test_each_scope_opens_what_it_says_and_no_more(lms: Program) -> None:
    given = await lms.gave()
    await lms.enter("recognition:read", name="reads")
    assert await lms.sees() == [(given, ANN)]
    assert (await lms.gives())[0] == 403
    assert (await lms.does("GET", KUDOS, all="true"))[0] == 403
    await lms.enter("recognition:write", name="writes")
    assert (await lms.gives(BEN, ANN))[0] == 201
    assert (await lms.does("GET", KUDOS))[0] == 403
    assert (await lms.does("POST", AWARDS, {"key": "1", "receiver": BEN, "badge": "x"}))[0] == 403
    assert (await lms.does("POST", f"{KUDOS}/{given}/moderation", {"do": "hide", "why": "x"}))[0] == 403
    assert (await lms.does("PATCH", POLICY, {"kudos": False}))[0] == 403


def test_a_rate_is_read_as_it_is_written() -> None:
    assert [str(policy.Rate.parse(one)) for one in ("10/1d", "03/012h")] == ["10/1d", "3/12h"]
    assert policy.Rate.parse("3/12h").seconds == 43_200
