"""What every test may ask for: real servers shared by the session, and fresh databases on them for one test."""

from __future__ import annotations

import gc
import signal
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest
import structlog
from hypothesis import HealthCheck, settings

from machine.interpreter import YOUNG_MAX
from tests import servers
from tests.effort import SAME_EACH_TIME
from tests.empty import empty_catalogue, make_catalogue
from tests.rooms import outside

# A shared machine stalls now and then: how long one example took says nothing about the code.
settings.register_profile(
    "house", deadline=None, derandomize=SAME_EACH_TIME, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("house")


def pytest_configure() -> None:
    """A suite that was begun in the background has inherited that Ctrl-C is nothing, and so would all its commands."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is collected lives to the end: looking through it for garbage took 4 of 43 seconds of some tests."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.set_threshold(YOUNG_MAX, *gc.get_threshold()[1:])
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests first: else one worker is still at them when the others have nothing more to do."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


def pytest_runtest_teardown() -> None:
    """What a test made of the log ends with it: its captured stream is closed, the next test must not write there."""
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def _left() -> set[str]:
    """What was found outside of the rooms so far, by whomever: each thing is told of once."""
    return set(outside(Path("/"), Path.home()))


@pytest.fixture(autouse=True)
def _leaves_nothing_outside(_left: set[str]) -> Iterator[None]:
    """A test fails that leaves something outside of its own room: in the system's places, at home, in the checkout."""
    yield
    found = outside(Path("/"), Path.home()) - _left
    _left |= found
    assert not found, f"this test, or one beside it, left outside of its room: {', '.join(sorted(found))}"


@pytest.fixture(scope="session")
def mariadb() -> Iterator[servers.MariaDB]:
    """A private MariaDB server of this session. A test that stops or reconfigures a server starts its own."""
    with servers.running_mariadb() as server:
        yield server


@pytest.fixture(scope="session")
def mysql() -> Iterator[servers.MySQL]:
    """A private MySQL server of this session, where this machine has MySQL."""
    if servers.mysqld() is None:
        pytest.skip(servers.MYSQL_ABSENT)
    with servers.running_mysql() as server:
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
def catalogue_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty catalogue on SQLite, to be copied: quicker than making one for each test."""
    path = tmp_path_factory.mktemp("catalogue") / "template.db"
    path.write_bytes(empty_catalogue())
    return path


@pytest.fixture(scope="session")
def _catalogue_template(postgres: servers.Postgres) -> servers.PostgresDatabase:
    """An empty catalogue on PostgreSQL, to be copied."""
    database = postgres.create_database()
    make_catalogue(database.dsn)
    return database


@pytest.fixture
def catalogue_database(
    postgres: servers.Postgres, _catalogue_template: servers.PostgresDatabase
) -> Iterator[servers.PostgresDatabase]:
    """An empty catalogue on PostgreSQL for one test."""
    database = postgres.create_database(like=_catalogue_template)
    yield database
    database.drop()


@pytest.fixture
def catalogue_databases(
    postgres: servers.Postgres, _catalogue_template: servers.PostgresDatabase
) -> Callable[[], servers.PostgresDatabase]:
    """Makes empty catalogues on PostgreSQL, as many as a test wants; whoever asks drops each."""
    return lambda: postgres.create_database(like=_catalogue_template)


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
