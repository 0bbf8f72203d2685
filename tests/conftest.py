"""What every test may ask for: real servers shared by the session, and fresh databases on them for one test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import structlog
from hypothesis import HealthCheck, settings

from tests import servers

# A shared machine stalls now and then: how long one example took says nothing about the code.
settings.register_profile("house", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("house")


def pytest_runtest_teardown() -> None:
    """What a test made of the log ends with it: its captured stream is closed, the next test must not write there."""
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def mariadb() -> Iterator[servers.MariaDB]:
    """A private MariaDB server of this session. A test that stops or reconfigures a server starts its own."""
    with servers.running_mariadb() as server:
        yield server


@pytest.fixture(scope="session")
def postgres() -> Iterator[servers.Postgres]:
    """A private PostgreSQL server of this session."""
    with servers.running_postgres() as server:
        yield server


@pytest.fixture
def mariadb_database(mariadb: servers.MariaDB) -> Iterator[servers.MariaDatabase]:
    """An empty MariaDB database for one test."""
    database = mariadb.create_database()
    yield database
    database.drop()


@pytest.fixture
def postgres_database(postgres: servers.Postgres) -> Iterator[servers.PostgresDatabase]:
    """An empty PostgreSQL database for one test."""
    database = postgres.create_database()
    yield database
    database.drop()


@pytest.fixture(scope="session")
def capture() -> None:
    """Ask for it to be skipped where the capture of a real Moodle is absent."""
    if not servers.capture_is_here():
        pytest.skip("the capture of a real Moodle (../shared/moodle) is not on this machine")


@pytest.fixture
def captured_moodle(capture: None, mariadb_database: servers.MariaDatabase) -> servers.MariaDatabase:
    """The capture in a database of its own, readable by the read-only account; the test may change it (1.5 s)."""
    servers.load_capture(mariadb_database)
    mariadb_database.grant_reader()
    return mariadb_database


@pytest.fixture(scope="session")
def shared_capture(capture: None, mariadb: servers.MariaDB) -> servers.MariaDatabase:
    """The capture, loaded once for the session, for tests that only read."""
    database = mariadb.create_database("shared_capture")
    servers.load_capture(database)
    database.grant_reader()
    return database
