"""Kudos in books that were put back from an older copy: campuses have heard of others since."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import make_url

from catalogue import acts, tenants
from catalogue.acts import Act
from catalogue.backup import noted, restoring, taking
from catalogue.config import KEY_NAME, VOUCHERS_NAME, Config
from catalogue.recognition import giving
from catalogue.recognition.agents import feed
from catalogue.recognition.giving import Wish
from catalogue.store import Store
from wire import keys

CAMPUS, NOW = "uni", 1_790_000_000


async def given(url: str, *named: str) -> None:
    """Ann thanks Ben, under these keys."""
    store = await Store.open(make_url(url))
    try:
        async with store.writing() as conn:
            for key in named:
                about = {"kind": "kudos", "giver": "ann", "receiver": "ben", "about": "helpful", "by": "a test"}
                await giving.give(conn, Wish(campus=CAMPUS, key=key, **about), now=NOW)
    finally:
        await store.close()


async def heard(url: str, after: int) -> tuple[int, int]:
    """How many lines a campus hears that heard all before so far, and how far that is."""
    store = await Store.open(make_url(url))
    try:
        async with store.reading() as conn:
            lines, upto, _ = await feed.lines(conn, CAMPUS, after, 100)
            return len(lines), upto
    finally:
        await store.close()


@pytest.mark.parametrize("before", [(), ("one",)])
async def test_campuses_hear_of_kudos_that_are_given_after_an_older_copy_was_put_back(
    before: tuple[str, ...], tmp_path: Path, catalogue_file: Path
) -> None:
    """Their numbers had been others', and an agent takes what has a number once."""
    url = f"sqlite:///{shutil.copy(catalogue_file, tmp_path / 'catalogue.db')}"
    store = await Store.open(make_url(url))
    async with store.writing() as conn:
        await tenants.add_tenant(conn, CAMPUS, title=CAMPUS, environment="production", now=NOW)
    await store.close()
    await given(url, *before)
    key, vouchers = tmp_path / KEY_NAME, tmp_path / VOUCHERS_NAME
    config = Config(
        data_dir=tmp_path, host="127.0.0.1", port=0, key_file=key, vouchers_file=vouchers, database=make_url(url)
    )
    public = keys.create(key).public
    said = Act(campus=acts.EVERYWHERE, by="a test", at=NOW, act=noted.TAKEN)
    copy, _ = await taking.take(config, tmp_path / "copies", public=public, keep=1, said=said)
    await given(url, "two")
    count, upto = await heard(url, 0)
    assert (count, upto) == (len(before) + 1, len(before) + 1)

    for number in (1, 2):
        later = replace(said, at=NOW + number * 3_600)
        await restoring.restore(config, copy, public=public, said=later)
        await given(url, f"three-{number}")
        told, upto = await heard(url, upto)
        assert told == 1, "also where the same copy is put back once more"
