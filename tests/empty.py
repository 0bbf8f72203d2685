"""An empty catalogue, made once by each process of a test run and copied: making one takes the time of a test."""

from __future__ import annotations

import asyncio
import functools
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sqlalchemy import make_url

from catalogue.store import Store


def make_catalogue(url: str) -> None:
    """Make the tables of an empty catalogue."""

    async def work() -> None:
        store = await Store.open(make_url(url), check_schema=False)
        await store.upgrade()
        await store.close()

    with ThreadPoolExecutor(1) as beside:  # whoever asks may have a loop of its own running
        beside.submit(asyncio.run, work()).result()


@functools.cache
def empty_catalogue() -> bytes:
    """The file of one on SQLite."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "catalogue.db"
        make_catalogue(f"sqlite:///{path}")
        return path.read_bytes()
