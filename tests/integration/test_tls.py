"""TLS to the database and at the agent's door, with servers that show real certificates."""

from __future__ import annotations

import datetime as dt
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import aiohttp
import pytest

from agent.clock import SystemClock
from agent.collectors.door.built import door_of
from agent.collectors.inbox.store import Inbox
from agent.collectors.logstore.dialects.connect import database_for
from agent.collectors.logstore.dialects.database import Query
from agent.collectors.logstore.options import LogstoreOptions
from agent.config.kinds import KindTable
from agent.config.settings import load_settings
from agent.errors import ConfigError
from tests import servers
from tests.acceptance.campus import wait_until
from tests.posts import HOOK, TOKEN, a_post
from tests.servers.authority import certified, lend
from tests.sites import options_for, postgres_options_for


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A database behind the certificate ``chain``; ``encrypted`` asks it whether this connection is."""

    options: LogstoreOptions
    chain: Path
    encrypted: str

    def vouched(self, authority: Path, *, host: str = "127.0.0.1") -> LogstoreOptions:
        """How it is read where ``authority`` is named."""
        url = self.options.url.replace("127.0.0.1", host)
        return replace(self.options, url=f"{url}?ssl_ca={authority}")


@pytest.fixture(scope="module")
def maria_shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    chain, key = certified(tmp_path_factory.mktemp("maria"), "maria")
    with servers.running_mariadb(f"--ssl-cert={chain}", f"--ssl-key={key}") as server:
        database = server.create_database()
        server.execute(f"GRANT SELECT ON `{database.name}`.* TO '{servers.READER}'@'127.0.0.1'")
        asked = "SELECT VARIABLE_VALUE <> '' FROM information_schema.SESSION_STATUS WHERE VARIABLE_NAME = 'Ssl_cipher'"
        yield Shown(options=options_for(database), chain=chain, encrypted=asked)


@pytest.fixture(scope="module")
def postgres_shown(postgres: servers.Postgres) -> Iterator[Shown]:
    chain, key = certified(postgres.directory, "postgres")
    lend(chain, key)
    settings = {"ssl_cert_file": str(chain), "ssl_key_file": str(key), "ssl": "on"}
    reload(postgres, *(f"SET {name} = '{value}'" for name, value in settings.items()), ssl="on")
    database = postgres.create_database()
    asked = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
    yield Shown(options=postgres_options_for(database), chain=chain, encrypted=asked)
    database.drop()
    reload(postgres, *(f"RESET {name}" for name in settings), ssl="off")


def reload(server: servers.Postgres, *changes: str, ssl: str) -> None:
    """Change settings of a running server and wait until it has taken them."""
    for change in changes:
        server.execute(f"ALTER SYSTEM {change}")
    server.execute("SELECT pg_reload_conf()")
    wait_until(lambda: server.execute("SHOW ssl") == ssl)


@pytest.fixture(params=["maria_shown", "postgres_shown"])
def shown(request: pytest.FixtureRequest) -> Shown:
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Shown)
    return found


async def refusal(options: LogstoreOptions) -> tuple[str | None, str]:
    database = database_for(options)
    with pytest.raises(ConfigError) as caught:
        await database.connect()
    await database.close()
    return caught.value.fault, str(caught.value)


# First: after it the shared server speaks TLS until this file is done.
async def test_no_password_goes_to_a_database_that_speaks_no_tls_where_tls_is_asked_for(
    mariadb_database: servers.MariaDatabase, postgres_database: servers.PostgresDatabase, tmp_path: Path
) -> None:
    authority, _ = certified(tmp_path, "authority")
    for options in (options_for(mariadb_database), postgres_options_for(postgres_database)):
        fault, told = await refusal(replace(options, url=f"{options.url}?ssl_ca={authority}"))
        assert (fault, "speaks no TLS" in told) == ("tls-missing", True)


async def test_a_database_is_read_encrypted_where_its_authority_is_named(shown: Shown) -> None:
    database = database_for(shown.vouched(shown.chain))
    try:
        (answer,) = await database.fetch_all([Query(sql=shown.encrypted)])
        assert [bool(row[0]) for row in answer] == [True]  # type: ignore[union-attr]
    finally:
        await database.close()


async def test_a_database_that_nobody_vouches_for_is_what_an_edit_cures(shown: Shown, tmp_path: Path) -> None:
    other, _ = certified(tmp_path, "other")
    fault, told = await refusal(shown.vouched(other))
    assert fault == "certificate-untrusted"
    assert "does not vouch for" in told
    assert "name the file of the authority that vouches for it, or of the certificate itself: ssl_ca in url" in told
    fault, told = await refusal(shown.vouched(shown.chain, host="localhost"))
    assert (fault, "localhost" in told) == ("certificate-untrusted", True)
    assert "correct the host in url: it must be one that the certificate names" in told


async def test_a_certificate_that_ended_is_to_be_renewed_and_nobody_is_sent_to_the_authoritys_file(
    tmp_path: Path,
) -> None:
    chain, key = certified(tmp_path, "old", ends=dt.timedelta(hours=-1))
    with servers.running_mariadb(f"--ssl-cert={chain}", f"--ssl-key={key}") as server:
        options = options_for(server.create_database())
        fault, told = await refusal(replace(options, url=f"{options.url}?ssl_ca={chain}"))
    assert (fault, "its certificate must be renewed there" in told) == ("certificate-untrusted", True)


async def test_a_file_that_holds_no_authority_is_named(shown: Shown, tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("no certificate")
    for name, why in (("empty.pem", "no certificate is in it"), ("gone.pem", "No such file")):
        fault, told = await refusal(shown.vouched(tmp_path / name))
        assert (fault, why in told, name in told) == ("certificate-unusable", True, True)


async def test_a_database_that_asks_for_our_certificate_is_shown_it(tmp_path: Path) -> None:
    server_chain, server_key = certified(tmp_path, "server")
    ours, key = certified(tmp_path, "ours")
    key.chmod(0o600)
    with servers.running_mariadb(f"--ssl-cert={server_chain}", f"--ssl-key={server_key}", f"--ssl-ca={ours}") as server:
        database = server.create_database()
        server.execute(f"GRANT SELECT ON `{database.name}`.* TO '{servers.READER}'@'127.0.0.1' REQUIRE X509")
        options = options_for(database)
        vouched = f"{options.url}?ssl_ca={server_chain}"
        fault, told = await refusal(replace(options, url=vouched))
        assert (fault, "REQUIRE X509: &ssl_cert=" in told) == ("account-refused", True)
        await entered(replace(options, url=f"{vouched}&ssl_cert={ours}&ssl_key={key}"))
        both = tmp_path / "both.pem"
        both.touch(0o600)
        both.write_bytes(ours.read_bytes() + key.read_bytes())
        await entered(replace(options, url=f"{vouched}&ssl_cert={both}"))


async def test_postgresql_that_asks_for_our_certificate_is_shown_it_and_says_itself_why_it_lets_nobody_in(
    postgres: servers.Postgres, postgres_shown: Shown
) -> None:
    ours, key = certified(postgres.directory, "ours")
    lend(ours)
    key.chmod(0o600)
    hba = postgres.datadir / "pg_hba.conf"
    before = hba.read_text()
    reader = f"hostssl all {servers.READER} 127.0.0.1/32 scram-sha-256 clientcert=verify-ca"
    none = f"host all {servers.READER} 127.0.0.1/32 reject"
    reload(postgres, f"SET ssl_ca_file = '{ours}'", ssl="on")
    try:
        hba.write_text(f"{reader}\n{none}\n{before}")
        postgres.execute("SELECT pg_reload_conf()")
        options = postgres_shown.vouched(postgres_shown.chain)
        _, told = await refusal(options)
        assert "certificate" in told.partition("refuses user")[2].partition("\n")[0]
        await entered(replace(options, url=f"{options.url}&ssl_cert={ours}&ssl_key={key}"))
        _, told = await refusal(postgres_shown.options)
        assert "pg_hba.conf" in told.partition("\n")[0]
    finally:
        hba.write_text(before)
        reload(postgres, "RESET ssl_ca_file", ssl="on")


async def test_a_key_that_cannot_be_shown_is_named(shown: Shown, tmp_path: Path) -> None:
    ours, key = certified(tmp_path, "ours")
    _, others = certified(tmp_path, "others")
    vouched = shown.vouched(shown.chain)
    for file, mode, fault in ((key, 0o644, "secret-open"), (others, 0o600, "certificate-unusable")):
        file.chmod(mode)
        found, told = await refusal(replace(vouched, url=f"{vouched.url}&ssl_cert={ours}&ssl_key={file}"))
        assert (found, str(ours.parent) in told) == (fault, True)


async def entered(options: LogstoreOptions) -> None:
    """See that the database lets us in."""
    database = database_for(options)
    try:
        await database.connect()
    finally:
        await database.close()


CONFIG = f"""
[agent]
campus = "c"
data_dir = "data"
rules = "rules.toml"
[http]
listen = "127.0.0.1:0"
certificate_file = "door.pem"
private_key_file = "door.key"
[[source]]
name = "trigger"
kind = "tool-trigger"
path = "{HOOK}"
bearer_token_files = ["trigger.token"]
"""


async def test_the_door_shows_the_certificate_of_its_files_and_speaks_to_those_who_trust_it(tmp_path: Path) -> None:
    chain, _ = certified(tmp_path, "door")
    (tmp_path / "config.toml").write_text(CONFIG)
    (tmp_path / "trigger.token").write_text(TOKEN)
    (tmp_path / "trigger.token").chmod(0o600)
    settings = load_settings(tmp_path / "config.toml")
    (tmp_path / "data").mkdir()
    inbox = await Inbox.open(tmp_path / "data")
    door = door_of(settings, inbox, SystemClock(), KindTable, stuck=lambda: False)
    assert door is not None
    await door.open()
    try:
        url, shown = f"https://127.0.0.1:{door.port}{HOOK}", {"Authorization": f"Bearer {TOKEN}"}
        async with aiohttp.ClientSession(headers=shown) as session:
            trusting = ssl.create_default_context(cafile=chain)
            async with session.post(url, json=a_post(), ssl=trusting) as answer:
                assert answer.status == 200
            with pytest.raises(aiohttp.ClientConnectorCertificateError):
                await session.post(url, json=a_post())
    finally:
        await door.close()
        await inbox.close()


async def test_a_key_that_is_another_certificates_is_what_an_edit_cures(tmp_path: Path) -> None:
    certified(tmp_path, "door")
    _, other = certified(tmp_path, "other")
    other.rename(tmp_path / "door.key")
    (tmp_path / "config.toml").write_text(CONFIG)
    (tmp_path / "trigger.token").write_text(TOKEN)
    (tmp_path / "trigger.token").chmod(0o600)
    (tmp_path / "data").mkdir()
    inbox = await Inbox.open(tmp_path / "data")
    with pytest.raises(ConfigError, match="certificate_file and private_key_file cannot be used"):
        door_of(load_settings(tmp_path / "config.toml"), inbox, SystemClock(), KindTable, stuck=lambda: False)
    await inbox.close()
