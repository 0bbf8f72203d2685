"""The ways into one database."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy.ext.asyncio import AsyncEngine


class Engines(NamedTuple):
    """Connections for each purpose; some or all may come from one pool."""

    reading: AsyncEngine
    glancing: AsyncEngine
    writing: AsyncEngine
    jotting: AsyncEngine
    probing: AsyncEngine
    """Makes a connection each time: whether the database answers is not whether the others are busy."""
