"""Reading the settings again while a server runs: what it can take on is taken on, the rest is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import structlog

from catalogue import log as logs
from catalogue.config import Config
from catalogue.errors import ConfigError
from catalogue.redemption.vault import Vault
from catalogue.store import Store
from machine.notify import notify

RESTART = "restart the service to take them on"

log = structlog.get_logger()


class Reloading:
    """One server's settings: ``config`` is what holds now, ``again`` reads the file as it is now."""

    def __init__(self, config: Config, again: Callable[[], Config], *, store: Store, vault: Vault) -> None:
        self.config = config
        self._again = again
        self._store = store
        self._vault = vault

    def __call__(self) -> None:
        """Take on the level of the log, the database's password, the vouchers' key, and how old a backup may be.

        A file with faults changes nothing: they are told, and what held goes on. The key that signs is followed at any
        time (`catalogue.proof.keys`).
        """
        notify("RELOADING=1")
        try:
            fresh = self._again()
            vault = Vault.load(fresh.vouchers_file)
        except ConfigError as exc:
            log.error("settings_refused", said=exc.message, hint=exc.hint)
        else:
            self._adopt(fresh, vault)
        finally:
            notify("READY=1")

    def _adopt(self, fresh: Config, vault: Vault) -> None:
        adopted = []
        if fresh.log_level != self.config.log_level:
            logs.start(fresh.log_level)
            adopted.append("catalogue.log_level")
        if fresh.database.password != self.config.database.password:
            self._store.adopt_password(fresh.database)
            adopted.append("database.password_file")
        if self._vault.become(vault):
            adopted.append("catalogue.vouchers_file")
        if fresh.backup_within_s != self.config.backup_within_s:
            adopted.append("catalogue.backup_within")
        before = self.config
        self.config = replace(
            before,
            log_level=fresh.log_level,
            backup_within_s=fresh.backup_within_s,
            database=before.database.set(password=fresh.database.password),
        )
        log.info("settings_adopted", settings=adopted)
        waiting = list(_waiting(self.config, fresh))
        if waiting:
            log.warning("settings_wait", settings=waiting, do=RESTART)


def _waiting(holds: Config, fresh: Config) -> Iterator[str]:
    """Keys whose new values a running server cannot take on."""
    if (holds.host, holds.port) != (fresh.host, fresh.port):
        yield "catalogue.listen"
    for name in ("data_dir", "status_listen", "key_file"):
        if getattr(holds, name) != getattr(fresh, name):
            yield f"catalogue.{name}"
    if holds.database != fresh.database:
        yield "database.url"
