"""Every dialect of the log-table collector, as a site of its own for each contract test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import servers
from tests.sites import (
    HandClock,
    MariaSite,
    PostgresSite,
    Site,
    SqliteSite,
)

DIALECTS = ("sqlite", "mariadb", "mysql", "postgres")
"""A new dialect is a word here and a line in `site`. MySQL is left out, and said so once, where there is none."""


@pytest.fixture(scope="module")
def maria_site(request: pytest.FixtureRequest) -> Iterator[Callable[[], MariaSite]]:
    """The tables of one MariaDB database, made when first asked for."""
    made: list[MariaSite] = []

    def site() -> MariaSite:
        if not made:
            server: servers.MariaDB = request.getfixturevalue("mariadb")
            made.append(MariaSite(server.create_database()))
        return made[0]

    yield site
    for one in made:
        one.database.drop()


@pytest.fixture(scope="module")
def postgres_site(request: pytest.FixtureRequest) -> Iterator[Callable[[], PostgresSite]]:
    """The tables of one PostgreSQL database, made when first asked for."""
    made: list[PostgresSite] = []

    def site() -> PostgresSite:
        if not made:
            server: servers.Postgres = request.getfixturevalue("postgres")
            made.append(PostgresSite(server.create_database()))
        return made[0]

    yield site
    for one in made:
        one.database.drop()


@pytest.fixture(scope="module")
def mysql_site(request: pytest.FixtureRequest) -> Iterator[Callable[[], MariaSite]]:
    """The tables of one MySQL database, made when first asked for."""
    made: list[MariaSite] = []

    def site() -> MariaSite:
        if not made:
            server: servers.MySQL = request.getfixturevalue("mysql")
            made.append(MariaSite(server.create_database()))
        return made[0]

    yield site
    for one in made:
        one.database.drop()


@pytest.fixture(params=[name for name in DIALECTS if name != "mysql" or servers.mysqld() is not None])
def site(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    maria_site: Callable[[], MariaSite],
    mysql_site: Callable[[], MariaSite],
    postgres_site: Callable[[], PostgresSite],
) -> Iterator[Site]:
    """An empty Moodle database of the dialect under test."""
    if request.param == "sqlite":
        yield SqliteSite(tmp_path / "moodle.db")
    else:
        makers: dict[str, Callable[[], MariaSite | PostgresSite]] = {
            "mariadb": maria_site,
            "mysql": mysql_site,
            "postgres": postgres_site,
        }
        shared = makers[request.param]()
        yield shared
        shared.reset()


@pytest.fixture
def clock() -> HandClock:
    return HandClock()
