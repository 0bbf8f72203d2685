"""The same wish more than once at the same time: every answer is the same grant, on each database, by each way."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from catalogue.errors import RefusedError
from catalogue.redemption.records import Redemption
from tests.integration.redemption.shop import Shop

TIMES = 8
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
