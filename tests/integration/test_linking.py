"""One person with accounts in several sites has one wallet, on a real ledger; what is doubtful waits."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from functools import partial
from itertools import permutations
from pathlib import Path

import aiosqlite
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.arriving.linked import Linking, plain
from agent.clock import Clock
from agent.engine import trust
from agent.errors import InvalidInputError
from agent.ledger.merging import tags
from agent.ledger.recovery import persons
from agent.model import Evidence, Identifier, Observation, Trust
from agent.recognition.following import Following
from agent.recognition.merging import Merging
from tests.builders import NOW
from tests.fakes import ManualClock
from tests.ledgers import found, rows
from tests.pipelines import Running, running
from tests.rule_stories import ZONE, event, rule

RULES = f'schema = 1\ntimezone = "{ZONE}"\n' + rule(more='limit = "3/week"')
SITES = ("moodle", "campus2", "shop")
ANN = {"idnumber": "HR-7", "email": "Ann@Example.org"}


@asynccontextmanager
async def campus(directory: Path, trusted: Sequence[str] = SITES, key: bytes = b"k" * 32) -> AsyncIterator[Running]:
    """Three sites; those of ``trusted`` may say who is who."""
    linking = Linking(key=key, link_by=("idnumber", "email"), sources=trusted)
    async with running(directory, RULES, linking=linking) as here:
        yield here
        assert found(directory) == [], "the chain and what follows from it are whole"


def did(site: str, who: str, lesson: int, said: Mapping[str, str], *, shared: bool = False) -> Observation:
    seen = event(
        "lesson.completed", f"2026-09-07T{8 + lesson:02d}:00:00", who, lesson=str(lesson), key=f"{site}{who}{lesson}"
    ).seen
    told = tuple(Identifier(by=by, value=value, shared=shared) for by, value in said.items())
    return replace(seen, source=site, site=site, identifiers={who: told})


def wallets(directory: Path) -> dict[str, int]:
    sql = "SELECT p.site || ':' || p.lms_user, b.amount FROM balance b JOIN person p USING (person_no)"
    return {learner: amount for learner, amount in rows(directory, sql) if amount}


def waiting(directory: Path) -> list[tuple[str, tuple[str, ...], str]]:
    with closing(sqlite3.connect(directory / "ledger.db")) as connection:
        return [(one.learner, one.others, one.reason) for one in tags.held(connection)]


async def test_accounts_that_trusted_sources_call_one_person_share_a_wallet_and_its_limits(tmp_path: Path) -> None:
    async with campus(tmp_path) as here:
        await here.take(did("moodle", "35", 1, ANN), did("moodle", "35", 2, ANN))
        await here.take(did("shop", "a1", 1, {"email": " ann@example.ORG "}), source="shop")
        await here.take(did("shop", "a1", 2, {"email": "ann@example.org"}), source="shop")
        assert wallets(tmp_path) == {"moodle:35": 30}
        assert here.reasons() == ["limit 3/week"]
        aliases = "SELECT site, lms_user, into_site, into_user, merged_by, reason FROM alias"
        assert rows(tmp_path, aliases) == [("shop", "a1", "moodle", "35", "[identity]", "the same e-mail")]


async def test_an_account_that_a_trusted_source_names_outright_shares_its_wallet_where_nothing_speaks_against_it(
    tmp_path: Path,
) -> None:
    linking = Linking(key=b"k" * 32, link_by=("idnumber", "external_ids"), sources=SITES)

    def post(who: str, lesson: int, at: str, **said: str) -> Observation:
        return replace(did("shop", who, lesson, {"external_ids": at, **said}), evidence=Evidence.bearer_token)

    async with running(tmp_path, RULES, linking=linking) as here:
        await here.take(did("moodle", "35", 1, ANN), did("moodle", "36", 1, {"idnumber": "HR-8"}))
        await here.take(post("a1", 1, "moodle:35"), source="shop")
        await here.take(post("a2", 1, "moodle:36", idnumber="HR-9"), source="shop")
        await here.take(post("a3", 1, "moodle:37"), post("a4", 1, "moodle:35"), source="shop")
        assert wallets(tmp_path) == {"moodle:35": 20, "moodle:36": 10, "shop:a2": 10, "shop:a3": 10, "shop:a4": 10}
        assert waiting(tmp_path) == [
            ("shop:a2", ("moodle:36",), "the id at moodle is another's: the idnumber is not the same"),
            ("shop:a3", ("moodle:37",), "nothing was seen of that account yet"),
            ("shop:a4", ("moodle:35",), "they would have two accounts of shop"),
        ]
        assert found(tmp_path) == []


def claiming(sources: Sequence[str] = SITES) -> Linking:
    return Linking(key=b"k" * 32, link_by=("idnumber", "external_ids"), sources=sources)


def named(who: str, lesson: int, at: str, **said: str) -> Observation:
    """A post that says which account somebody has elsewhere."""
    return replace(did("shop", who, lesson, {"external_ids": at, **said}), evidence=Evidence.bearer_token)


@pytest.mark.parametrize("restarted", [False, True])
async def test_an_account_that_was_named_before_it_was_seen_is_linked_when_it_appears_by_any_route(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, restarted: bool
) -> None:
    monkeypatch.setattr("agent.arriving.linked.LOOK_S", 0)
    async with running(tmp_path, RULES, linking=claiming()) as here:
        await here.take(named("a1", 1, "moodle:35"), named("a2", 1, "moodle:36", idnumber="HR-9"), source="shop")
        await here.take(named("a3", 1, "moodle:37"), source="shop")
        assert [others for _, others, _ in waiting(tmp_path)] == [("moodle:35",), ("moodle:36",), ("moodle:37",)]
        if not restarted:
            await appeared(here, tmp_path)
    if restarted:
        async with running(tmp_path, RULES, linking=claiming()) as here:
            await appeared(here, tmp_path)


async def appeared(here: Running, directory: Path) -> None:
    """Of one a route tells that nobody trusts to link; of another the log, that it is somebody else's; one by hand."""
    await here.take(replace(did("moodle", "35", 2, {}), source="trigger"), source="trigger")
    assert wallets(directory) == {"shop:a1": 20, "shop:a2": 10, "shop:a3": 10}
    await here.take(did("moodle", "36", 1, {"idnumber": "HR-8"}))
    ((doubtful,),) = [[why for who, _, why in waiting(directory) if who == "shop:a2"]]
    assert "the idnumber is not the same" in doubtful
    linked = "SELECT site, lms_user, into_site, into_user FROM alias"
    assert rows(directory, linked) == [("moodle", "35", "shop", "a1")]

    async def by_hand(connection: aiosqlite.Connection) -> None:
        await connection.execute(
            "INSERT INTO person (site, lms_user, secret, pseudonym, created_at)"
            " VALUES ('moodle', '37', randomblob(32), 'p37', 1)"
        )

    await here.writer.run(by_hand)
    await here.take()
    assert ("shop:a3", ("moodle:37",), "the same id at moodle, and both have earned already") in waiting(directory)


async def test_what_was_named_by_a_source_that_is_trusted_no_more_links_nobody(tmp_path: Path) -> None:
    async with running(tmp_path, RULES, linking=claiming()) as here:
        await here.take(named("a1", 1, "moodle:35"), source="shop")
    async with running(tmp_path, RULES, linking=claiming(("moodle", "campus2"))) as here:
        await here.take(did("moodle", "35", 1, {}))
        assert wallets(tmp_path) == {"moodle:35": 10, "shop:a1": 10}
        assert waiting(tmp_path) == []


async def test_who_was_erased_meanwhile_is_not_brought_back_by_the_account_that_they_had_named(tmp_path: Path) -> None:
    async with running(tmp_path, RULES, linking=claiming()) as here:
        await here.take(named("a1", 1, "moodle:35"), source="shop")

        async def gone(connection: aiosqlite.Connection) -> None:
            await connection.execute("DELETE FROM link_held")

        await here.writer.run(gone)
        await here.take(did("moodle", "35", 1, {}))
        assert wallets(tmp_path) == {"moodle:35": 10, "shop:a1": 10}


async def test_an_account_is_not_linked_by_its_id_elsewhere_unless_that_is_asked_for(tmp_path: Path) -> None:
    async with campus(tmp_path) as here:
        await here.take(did("moodle", "35", 1, ANN))
        await here.take(did("shop", "a1", 1, {"external_ids": "moodle:35"}), source="shop")
        assert wallets(tmp_path) == {"moodle:35": 10, "shop:a1": 10}


async def test_what_posts_say_of_somebody_bit_by_bit_adds_up_and_a_log_says_all_there_is(tmp_path: Path) -> None:
    async with campus(tmp_path) as here:
        await here.take(did("moodle", "35", 1, ANN))
        for lesson, said in enumerate(({"username": "ann"}, {"email": "ann@old.org"}, {"idnumber": "HR-7"}), start=1):
            post = replace(did("shop", "a1", lesson, said), evidence=Evidence.bearer_token)
            await here.take(post, source="shop")
        assert waiting(tmp_path) == [("shop:a1", ("moodle:35",), "the idnumber is the same and the e-mail is not")]
        await here.take(did("moodle", "35", 2, {"idnumber": "HR-8"}))
        known = "SELECT site, group_concat(said_by) FROM (SELECT * FROM account_tag ORDER BY said_by) GROUP BY site"
        assert rows(tmp_path, known) == [("moodle", "idnumber"), ("shop", "email,idnumber")]


async def test_a_source_that_is_not_trusted_to_link_pays_nothing_into_anothers_wallet(tmp_path: Path) -> None:
    async with campus(tmp_path, trusted=("moodle", "campus2")) as here:
        await here.take(did("moodle", "35", 1, ANN))
        await here.take(did("shop", "thief", 1, ANN), source="shop")
        assert wallets(tmp_path) == {"moodle:35": 10, "shop:thief": 10}
        assert waiting(tmp_path) == []
        assert rows(tmp_path, "SELECT DISTINCT site FROM account_tag") == [("moodle",)]


@pytest.mark.parametrize(
    ("first", "shared", "reason"),
    [
        (ANN, True, "two accounts of one site have this idnumber"),
        ({"idnumber": "HR-8", "email": "ann@example.org"}, False, "the e-mail is the same and the idnumber is not"),
        ({"idnumber": "HR-7", "email": "bob@example.org"}, False, "the idnumber is the same and the e-mail is not"),
    ],
)
async def test_what_is_doubtful_is_held_and_each_keeps_a_wallet(
    tmp_path: Path, first: Mapping[str, str], *, shared: bool, reason: str
) -> None:
    async with campus(tmp_path) as here:
        await here.take(did("moodle", "35", 1, first, shared=shared))
        await here.take(did("shop", "a1", 1, ANN), source="shop")
        assert wallets(tmp_path) == {"moodle:35": 10, "shop:a1": 10}
        assert waiting(tmp_path) == [("shop:a1", ("moodle:35",), reason)]


async def test_an_idnumber_of_one_and_an_address_of_another_link_nobody(tmp_path: Path) -> None:
    async with campus(tmp_path) as here:
        await here.take(
            did("moodle", "35", 1, {"idnumber": "HR-7"}), did("moodle", "36", 1, {"email": "ann@example.org"})
        )
        await here.take(did("shop", "a1", 1, ANN), source="shop")
        assert wallets(tmp_path) == {"moodle:35": 10, "moodle:36": 10, "shop:a1": 10}
        assert [reason for _, _, reason in waiting(tmp_path)] == ["two people have this e-mail or idnumber"]


async def test_a_link_found_after_both_have_earned_waits_for_a_merge_that_settles_it(tmp_path: Path) -> None:
    async with campus(tmp_path) as here:
        await here.take(did("moodle", "35", 1, {"idnumber": "HR-7"}))
        await here.take(did("campus2", "9", 1, {"email": "ann@example.org"}), source="campus2")
        await here.take(did("campus2", "9", 2, ANN), source="campus2")
        assert wallets(tmp_path) == {"moodle:35": 10, "campus2:9": 20}
        held = [("campus2:9", ("moodle:35",), "the same idnumber, and both have earned already")]
        assert waiting(tmp_path) == held
        merging = Merging(here.writer, here.recorder, here.pipeline, Following(here.pipeline, here.recorder), clock())
        told = await merging.merge(source="campus2:9", target="moodle:35", reason="one person", by="B. Desk")
        assert told["gains"] == {"points": 20}
        await here.take(did("campus2", "9", 3, ANN), source="campus2")
        assert wallets(tmp_path) == {"moodle:35": 30}, "three a week, of both together"
        assert waiting(tmp_path) == []


@pytest.mark.parametrize("merged", [False, True])
async def test_what_was_linked_by_mistake_is_taken_apart_by_entries_and_not_linked_again(
    tmp_path: Path, *, merged: bool
) -> None:
    async with campus(tmp_path) as here:
        await here.take(did("moodle", "35", 1, ANN), did("moodle", "35", 2, ANN))
        early = did("campus2", "9", 1, {} if merged else ANN)
        await here.take(early, source="campus2")
        merging = Merging(here.writer, here.recorder, here.pipeline, Following(here.pipeline, here.recorder), clock())
        if merged:
            await merging.merge(source="campus2:9", target="moodle:35", reason="one person", by="B. Desk")
        assert wallets(tmp_path) == {"moodle:35": 30}
        seen = len(here.entries())
        asked = partial(merging.unlink, account="campus2:9", reason="her brother", by="B. Desk")
        told = await asked(preview=True)
        assert (told["gains"], len(here.entries())) == ({"points": 10}, seen)
        assert await asked() == {**told, "preview": False}
        assert wallets(tmp_path) == {"moodle:35": 20, "campus2:9": 10}
        assert rows(tmp_path, "SELECT * FROM alias") == []
        assert rows(tmp_path, "SELECT 1 FROM event WHERE CAST(payload AS TEXT) ->> 'ac' <> '{}'") == []
        assert "taken apart: her brother" in here.entries()[-2]
        ((who, others, why),) = waiting(tmp_path)
        assert (who, others, "taken apart" in why) == ("campus2:9", ("moodle:35",), True)
        await here.take(early, source="campus2")
        await here.take(did("campus2", "9", 3, ANN), did("campus2", "9", 4, ANN), source="campus2")
        await here.take(did("moodle", "35", 5, ANN), did("moodle", "35", 6, ANN))
        assert wallets(tmp_path) == {"moodle:35": 30, "campus2:9": 30}, "three a week, each for itself"
        with pytest.raises(InvalidInputError, match="neither merged"):
            await asked()


async def test_a_sealed_copy_names_who_was_taken_apart_until_the_entries_of_it_are_delivered(tmp_path: Path) -> None:
    """A disk that was lost in between left nobody who knew the account's acts: they were paid a second time."""
    async with campus(tmp_path) as here:
        await here.take(did("moodle", "35", 1, ANN))
        await here.take(did("campus2", "9", 1, ANN), source="campus2")
        async with aiosqlite.connect(tmp_path / "ledger.db") as reading:
            kept = await persons.pending(reading, "key", 9, behind=True)
            await here.writer.run(persons.kept(kept, "key"))
            merging = Merging(
                here.writer, here.recorder, here.pipeline, Following(here.pipeline, here.recorder), clock()
            )
            await merging.unlink(account="campus2:9", reason="her brother", by="B. Desk")
            now = await persons.pending(reading, "key", 9, behind=True)
            then = await persons.pending(reading, "key", 9, behind=False)
        told = [[(one.site, len(one.aliases)) for one in found] for found in (kept, now, then)]
        assert told == [[("moodle", 1)], [("campus2", 0)], [("moodle", 0), ("campus2", 0)]]


async def test_accounts_of_one_site_are_not_taken_apart(tmp_path: Path) -> None:
    async with campus(tmp_path) as here:
        await here.take(did("moodle", "35", 1, {}), did("moodle", "36", 2, {}))
        merging = Merging(here.writer, here.recorder, here.pipeline, Following(here.pipeline, here.recorder), clock())
        await merging.merge(source="moodle:36", target="moodle:35", reason="one person", by="B. Desk")
        with pytest.raises(InvalidInputError, match="of the same site"):
            await merging.unlink(account="moodle:36", reason="no", by="B. Desk")


async def test_an_address_that_was_given_to_somebody_else_pays_into_no_old_wallet(tmp_path: Path) -> None:
    async with campus(tmp_path) as here:
        await here.take(did("moodle", "35", 1, {"email": "desk@example.org"}))
        await here.take(did("shop", "a1", 1, {"email": "desk@example.org"}), source="shop")
        await here.take(did("moodle", "80", 2, {"email": "desk@example.org"}))
        assert wallets(tmp_path) == {"moodle:35": 20, "moodle:80": 10}
        assert [who for who, _, _ in waiting(tmp_path)] == ["moodle:80"]


async def test_another_key_compares_with_nothing_that_the_old_one_made(tmp_path: Path) -> None:
    async with campus(tmp_path) as here:
        await here.take(did("moodle", "35", 1, ANN))
    async with campus(tmp_path, key=b"x" * 32) as here:
        assert rows(tmp_path, "SELECT * FROM account_tag") == []


async def test_no_identifier_is_written_in_clear(tmp_path: Path) -> None:
    async with campus(tmp_path) as here:
        await here.take(did("moodle", "35", 1, ANN))
        await here.take(did("shop", "a1", 1, ANN), source="shop")
    written = b"".join(file.read_bytes() for file in tmp_path.iterdir() if file.is_file()).lower()
    assert b"example.org" not in written
    assert b"hr-7" not in written


async def test_what_was_rolled_back_links_nobody_and_is_linked_when_it_comes_again(tmp_path: Path) -> None:
    async with campus(tmp_path) as here:
        await here.take(did("moodle", "35", 1, ANN))
        page = did("shop", "a1", 1, ANN)

        async def unit(connection: aiosqlite.Connection) -> None:
            await here.pipeline.whose.ours(
                connection, [trust.tag(page, Trust.trusted_source)], here.pipeline.rulebook, {}, NOW
            )
            raise sqlite3.OperationalError("database or disk is full")

        with pytest.raises(Exception, match="full"):
            await here.writer.run(unit)
        assert rows(tmp_path, "SELECT * FROM alias") == []
        await here.take(page, source="shop")
        assert wallets(tmp_path) == {"moodle:35": 20}


@pytest.mark.parametrize("order", list(permutations(SITES)))
async def test_whichever_site_comes_first_there_is_one_wallet(tmp_path: Path, order: tuple[str, ...]) -> None:
    async with campus(tmp_path) as here:
        for site in order:
            await here.take(did(site, f"u-{site}", 1, ANN), source=site)
        assert wallets(tmp_path) == {f"{order[0]}:u-{order[0]}": 30}


ACTS = st.lists(st.tuples(st.sampled_from(SITES), st.integers(1, 6)), max_size=12)


@settings(max_examples=15, deadline=None)
@given(acts=ACTS)
async def test_in_any_order_one_person_is_never_paid_beyond_a_limit_or_twice_for_a_fact(
    tmp_path_factory: pytest.TempPathFactory, acts: list[tuple[str, int]]
) -> None:
    directory = tmp_path_factory.mktemp("any")
    async with campus(directory) as here:
        for site, lesson in acts:
            await here.take(did(site, "u", lesson, ANN), source=site)
    assert sum(wallets(directory).values()) == 10 * min(3, len(set(acts)))
    assert len(wallets(directory)) <= 1


@pytest.mark.parametrize(
    ("by", "value", "expected"),
    [
        ("email", " Ann@Example.ORG", "ann@example.org"),
        ("email", "ann+shop@example.org", "ann+shop@example.org"),
        ("email", "nobody", ""),
        ("email", "@example.org", ""),
        ("idnumber", " 0 ", ""),
        ("idnumber", "000", ""),
        ("idnumber", "", ""),
        ("idnumber", "0042", "0042"),
        ("username", "ANN", "ann"),
    ],
)
def test_what_is_compared_is_what_a_registrar_would_call_the_same(by: str, value: str, expected: str) -> None:
    assert plain(by, value) == expected


def clock() -> Clock:
    return ManualClock(NOW)
