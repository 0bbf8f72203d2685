"""The catalogue's half of the statement: whose lines are told, in which order, and how a page is proven."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from catalogue.statement import lines
from tests.contract.catalogues import Hand, RealCatalogue, running_catalogue
from tests.integration.statement import centre
from tests.wire_builders import CAMPUS, an_entry, entries
from wire import chain, signing, statement
from wire.entry import AMOUNT_MAX
from wire.statement import Page


async def enrolled(catalogue: RealCatalogue, directory: Path, campus: str = CAMPUS) -> Hand:
    made = Hand(catalogue, directory, campus=campus)
    assert (await made.enrol(await catalogue.add_tenant(campus))).status == 200
    return made


def kinds(page: Page) -> list[tuple[str, str, int, int]]:
    return [(line.kind, line.learner, line.amount, line.waived) for line, _ in page.lines]


async def test_spends_refunds_and_waivers_are_told_with_the_entry_that_they_follow(
    catalogue: RealCatalogue, tmp_path: Path
) -> None:
    hand = await enrolled(catalogue, tmp_path)
    await hand.deliver([an_entry(1, learner="ann"), an_entry(2, learner="bob")])
    assert (await centre.told(hand)).lines == ()
    await centre.spend(catalogue, "ann", 4, "spend:r1")
    await hand.deliver([an_entry(3, learner="ann", entry_id="1-3")])
    await centre.spend(catalogue, "ann", 8, "spend:r2")
    await centre.refund(catalogue, "ann", 8, "spend:r2")
    page = await centre.told(hand)
    assert kinds(page) == [
        ("spend", "ann", -4, 0),
        ("spend", "ann", -8, 0),
        ("refund", "ann", 8, 0),
    ]
    assert [line.after for line, _ in page.lines] == ["agent-1/1-1", "agent-1/1-3", "agent-1/1-3"]
    assert (page.header.seq, page.header.more, page.header.why) == (3, False, "")
    assert page.header.head == chain.head(chain.GENESIS, (body for _, body in page.lines))
    later = await centre.told(hand, page.header.upto, page.header.head)
    assert (later.lines, later.header.head) == ((), page.header.head)
    assert await catalogue.faults() == []
    await hand.client.close()


async def test_an_agent_is_told_of_its_own_learners_only(catalogue: RealCatalogue, tmp_path: Path) -> None:
    one, two = await enrolled(catalogue, tmp_path), await enrolled(catalogue, tmp_path)
    other = await enrolled(catalogue, tmp_path, "uni-other")
    await one.deliver([an_entry(1, learner="ann")])
    await two.deliver([an_entry(1, learner="bob")])
    await other.deliver([an_entry(1, learner="cleo")])
    await centre.spend(catalogue, "ann", 1, "spend:a")
    await centre.spend(catalogue, "bob", 2, "spend:b")
    await centre.spend(catalogue, "bob", 3, "spend:c")
    await centre.spend(catalogue, "cleo", 4, "spend:d", campus="uni-other")
    assert kinds(await centre.told(one)) == [("spend", "ann", -1, 0)]
    assert kinds(await centre.told(two)) == [("spend", "bob", -2, 0), ("spend", "bob", -3, 0)]
    assert kinds(await centre.told(other)) == [("spend", "cleo", -4, 0)]
    for hand in (one, two, other):
        await hand.client.close()


async def test_an_entry_accepted_later_is_told_where_it_was_posted(catalogue: RealCatalogue, tmp_path: Path) -> None:
    hand = await enrolled(catalogue, tmp_path)
    big = [an_entry(seq, learner="ann", amount=AMOUNT_MAX) for seq in range(1, 1001)]
    await hand.deliver(big)
    taken = await hand.deliver([an_entry(1001, learner="ann", amount=AMOUNT_MAX), an_entry(1002, learner="bob")])
    assert [item.seq for item in taken.rejected] == [1001]
    await hand.deliver([an_entry(1003, learner="ann", amount=-AMOUNT_MAX, kind="adjustment")])
    await centre.spend(catalogue, "ann", AMOUNT_MAX, "spend:r1")
    await centre.accept(catalogue, "agent-1", 1001)
    await centre.spend(catalogue, "ann", 5, "spend:r2")
    page = await centre.told(hand)
    assert kinds(page) == [
        ("spend", "ann", -AMOUNT_MAX, 0),
        ("accepted", "ann", 0, 0),
        ("spend", "ann", -5, 0),
    ]
    assert page.lines[1][0].ref == "agent-1/1-1001"
    assert {line.after for line, _ in page.lines} == {"agent-1/1-1003"}, "what came late is no place in the chain"
    await hand.client.close()


async def test_pages_are_bounded_and_follow_one_another(
    small_catalogue: RealCatalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "LINES_MAX", 3)
    monkeypatch.setattr(lines, "SCANNED_MAX", 4)
    hand = await enrolled(small_catalogue, tmp_path)
    other = await enrolled(small_catalogue, tmp_path)
    await hand.deliver(entries(1, 7))
    await other.deliver([an_entry(1, learner="bob", amount=1000)])
    for number in range(5):
        await centre.spend(small_catalogue, f"learner{number}", 1, f"spend:{number}")
        for again in range(3):
            await centre.spend(small_catalogue, "bob", 1, f"spend:{number}-{again}")
    no, head, found = 0, chain.GENESIS, []
    for _ in range(50):
        page = await centre.told(hand, no, head)
        assert len(page.lines) <= 3
        found += [line.ref for line, _ in page.lines]
        no, head = page.header.upto, page.header.head
        if not page.header.more:
            break
    assert found == [f"spend:{number}" for number in range(5)]
    assert await small_catalogue.faults() == []
    await hand.client.close()
    await other.client.close()


async def test_a_position_that_this_catalogue_never_told_gets_no_lines_but_a_reason(
    small_catalogue: RealCatalogue, tmp_path: Path
) -> None:
    hand = await enrolled(small_catalogue, tmp_path)
    await hand.deliver([an_entry(1, learner="ann")])
    await centre.spend(small_catalogue, "ann", 1, "spend:r1")
    page = await centre.told(hand)
    forged = await centre.told(hand, page.header.upto, bytes(32))
    assert (forged.header.why, forged.lines) == (statement.HISTORY, ())
    beyond = await centre.told(hand, page.header.upto + 1, page.header.head)
    assert (beyond.header.why, beyond.header.upto) == (statement.BEHIND, page.header.upto)
    await hand.client.close()


async def test_a_catalogue_that_was_set_back_and_went_on_is_found_out(tmp_path: Path, catalogue_file: Path) -> None:
    books = tmp_path / "books.db"
    shutil.copy(catalogue_file, books)
    async with running_catalogue(tmp_path, f"sqlite:///{books}") as first:
        hand = await enrolled(first, tmp_path)
        await hand.deliver([an_entry(1, learner="ann")])
        async with first.store.writing() as conn:
            await conn.exec_driver_sql("COMMIT")
            await conn.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
            await conn.exec_driver_sql("BEGIN IMMEDIATE")
        shutil.copy(books, tmp_path / "older.db")
        await centre.spend(first, "ann", 1, "spend:lost")
        page = await centre.told(hand)
        await hand.client.close()
    async with running_catalogue(tmp_path, f"sqlite:///{tmp_path}/older.db") as second:
        again = hand.moved_to(second)
        behind = await centre.told(again, page.header.upto, page.header.head)
        assert behind.header.why == statement.BEHIND
        await centre.spend(second, "ann", 2, "spend:other")
        other = await centre.told(again, page.header.upto, page.header.head)
        assert other.header.why == statement.HISTORY
        assert kinds(await centre.told(again)) == [("spend", "ann", -2, 0)]
        await again.client.close()


async def test_a_page_stays_provable_and_a_stale_one_is_no_news(small_catalogue: RealCatalogue, tmp_path: Path) -> None:
    hand = await enrolled(small_catalogue, tmp_path)
    answer = await centre.ask(hand)
    public, now = small_catalogue.key.public, hand.clock.now()
    signed = answer.signed(bound=False)
    signing.verify_statement(signed, answer.body, public=public, now=now + 10**6, fresh=False)
    with pytest.raises(signing.SignatureError, match="ago"):
        signing.verify_statement(signed, answer.body, public=public, now=now + 10**6)
    with pytest.raises(signing.SignatureError):
        signing.verify_statement(signed, answer.body.replace(b'"more":false', b'"more":true'), public=public, now=now)
    await hand.client.close()


@pytest.mark.parametrize("path", ["/v1/statement/x/00", "/v1/statement/-1/" + "0" * 64, "/v1/statement/1/zz"])
async def test_a_position_that_cannot_be_read_is_refused(
    small_catalogue: RealCatalogue, tmp_path: Path, path: str
) -> None:
    hand = await enrolled(small_catalogue, tmp_path)
    answer = await hand.client.get_signed(path, campus=hand.campus, agent=hand.agent)
    assert answer.status == 400
    await hand.client.close()
