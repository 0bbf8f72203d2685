"""The same wish more than once at the same time: every answer is the same grant, on each database, by each way."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from catalogue.errors import RefusedError
from catalogue.redemption.desk import KEPT_S
from catalogue.redemption.records import Redemption
from tests.integration.redemption.shop import Shop

TIMES = 8
ROUNDS = 6
WAYS: dict[str, dict[str, Any]] = {
    "at once": {"stock": 1},
    "limited": {"stock": 1, "per_learner": [{"count": 1, "per": "day"}], "in_all": [{"count": 1, "per": "ever"}]},
    "for those who have reached something": {"gate": {"earned": {"points": 50}}, "stock": 1},
}


@pytest.fixture
def url(request: pytest.FixtureRequest, shop: Shop, tmp_path: Path) -> str:
    """Of the shop's books, for another worker."""
    return str(shop.store._url.render_as_string(hide_password=False))  # noqa: SLF001 - the address that was given


@pytest.mark.parametrize("way", WAYS)
async def test_the_same_wish_many_times_at_once_is_one_grant_that_all_are_told(shop: Shop, url: str, way: str) -> None:
    await shop.hire(url)
    await shop.shelve(**WAYS[way])
    await shop.give("ann", 50)
    found = await asyncio.gather(*(shop.redeem(key="same") for _ in range(TIMES)), return_exceptions=True)
    assert {one.redemption if isinstance(one, Redemption) else str(one) for one in found} == {
        (await shop.all())[0].redemption
    }
    assert len(await shop.all()) == 1
    await shop.audit()


async def test_a_key_that_is_used_for_two_things_at_once_is_one_of_them(shop: Shop, url: str) -> None:
    await shop.hire(url)
    await shop.shelve()
    await shop.shelve("mug", per_learner=[{"count": 9, "per": "day"}])
    await shop.give("ann", 1000)
    wishes = [shop.redeem(reward=reward, key="same") for reward in ("tea", "mug") * (TIMES // 2)]
    found = await asyncio.gather(*wishes, return_exceptions=True)
    (made,) = await shop.all()
    granted = [one.redemption for one in found if isinstance(one, Redemption)]
    assert granted == [made.redemption] * (TIMES // 2)
    assert {one.code for one in found if isinstance(one, RefusedError)} == {"key"}
    await shop.audit()


@pytest.mark.parametrize("way", WAYS)
async def test_a_refused_wish_that_comes_once_more_is_refused_though_there_is_enough_by_then(
    shop: Shop, way: str
) -> None:
    """A proxy that sends a request again grants what the campus was told no to."""
    await shop.shelve(**WAYS[way])
    await shop.give("ann", 49)
    first = await told(shop)
    await shop.give("ann", 51)
    assert (await told(shop), await told(shop), await shop.all()) == (first, first, [])
    assert await told(shop, reward="mug") == "key: this key was used for something else: choose another"
    assert await told(shop, key="another") == "granted"
    await shop.audit()


@pytest.mark.parametrize("way", WAYS)
async def test_the_same_wish_is_granted_to_all_or_refused_to_all_while_points_come_in(
    shop: Shop, url: str, way: str
) -> None:
    await shop.hire(url)
    await shop.shelve(**WAYS[way] | {"stock": ROUNDS})
    if "per_learner" in WAYS[way]:
        await shop.shelve(per_learner=[{"count": ROUNDS, "per": "day"}])
    for number in range(ROUNDS):
        learner, key = f"learner{number}", f"wish{number}"
        asked = [told(shop, learner=learner, key=key) for _ in range(TIMES)]
        answers = await asyncio.gather(*asked[: TIMES // 2], shop.give(learner, 50), *asked[TIMES // 2 :])
        said = {one for one in answers if one is not None}
        assert len(said) == 1, said
        assert await told(shop, learner=learner, key=key) in said
        made = [one for one in await shop.all() if one.learner == learner]
        assert len(made) == (said == {"granted"})
    await shop.audit()


async def test_answers_that_nobody_asks_for_any_more_are_forgotten(shop: Shop) -> None:
    await shop.shelve()
    await shop.give("ann", 50)
    assert await told(shop, key="good") == "granted"
    assert await told(shop) == "balance: it costs 50 points, and there are 0"
    await shop.give("ann", 50)
    assert not await shop.desk.forget(now=shop.at + KEPT_S)
    assert (await told(shop)).startswith("balance")
    assert not await shop.desk.forget(now=shop.at + KEPT_S + 1)
    assert (await told(shop), await told(shop, key="good"), len(await shop.all())) == ("granted", "granted", 2)


async def told(shop: Shop, *, learner: str = "ann", reward: str = "tea", key: str = "same") -> str:
    """The answer to a wish, without what is different each time."""
    try:
        await shop.redeem(learner, reward, key=key)
    except RefusedError as refused:
        return f"{refused.code}: {refused.message}"
    return "granted"
