"""Runs the door until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Iterator

import structlog
from aiohttp import web

from catalogue.app import Door, wall_clock
from catalogue.config import Config
from catalogue.errors import ConfigError, IntegrityError, UnavailableError
from catalogue.funding import budgets
from catalogue.partners.courier import LOOK_S, Courier
from catalogue.partners.http import HttpAdapter
from catalogue.proof.keys import KeyFile
from catalogue.redemption import records
from catalogue.redemption.desk import Desk
from catalogue.redemption.vault import Vault
from catalogue.rewards.money import Sum
from catalogue.server import jobs
from catalogue.server.jobs import Job
from catalogue.store import Store, months
from catalogue.wallets import expiry
from wire import keys

KEEPALIVE_S = 75.0
BUDGETS_LOOK_S = 60.0
"""How often a server looks whether a budget has something to tell, in seconds."""
MONTHS_LOOK_S = 3600.0
"""How often a server looks whether the months to come have room, in seconds."""
VOUCHERS_LOOK_S = 3600.0
"""How often a server looks whether it can open the vouchers in the database, in seconds."""
SHUTDOWN_S_MAX = 10.0
"""How long requests that are under way may take to finish after SIGTERM, in seconds."""


async def serve(config: Config, *, ready: Callable[[str], None]) -> None:
    """Listen until SIGTERM or SIGINT; ``ready`` is told the address once connections are taken.

    Raises:
        ConfigError: the key or the schema is missing, or the address is not ours.
        UnavailableError: the database does not answer, or the port is taken.
    """
    load_key(config)
    key, safe = KeyFile(config.key_file), Vault.load(config.vouchers_file)
    store = await Store.open(config.database)
    adapter = HttpAdapter(key)
    # Bodies stay as they were sent: the signature covers their exact bytes.
    runner = web.AppRunner(
        Door(store=store, key=key, vault=safe).app(),
        access_log=None,
        auto_decompress=False,
        keepalive_timeout=KEEPALIVE_S,
        shutdown_timeout=SHUTDOWN_S_MAX,
    )
    try:
        await runner.setup()
        site = web.TCPSite(runner, config.host, config.port)
        await _start(site, config)
        with _told_to_stop() as stop:
            desk = Desk(store, safe)
            async with jobs.running(_jobs(desk, Courier(desk, adapter))):
                ready(_address(runner))
                await stop.wait()
    finally:
        await runner.cleanup()
        await adapter.close()
        await store.close()


async def look_at_vouchers(desk: Desk) -> None:
    """Say so where the vouchers in the database were sealed with another secret; everything else can go on."""
    async with desk.store.reading() as conn:
        one = await records.one_with_a_voucher(conn)
    try:
        if one is not None:
            desk.voucher(one)
            desk.token(one)
    except IntegrityError as exc:
        structlog.get_logger("catalogue").error("vouchers cannot be opened", said=exc.message, hint=exc.hint)


def _jobs(desk: Desk, courier: Courier) -> list[Job]:
    store = desk.store
    return [
        Job(name="expiry", every_s=expiry.LOOK_S, work=expiry.Expiry(store).look),
        Job(name="budgets", every_s=BUDGETS_LOOK_S, work=lambda: _tell_budgets(store)),
        Job(name="months", every_s=MONTHS_LOOK_S, work=lambda: _make_months(store)),
        Job(name="vouchers", every_s=VOUCHERS_LOOK_S, work=lambda: look_at_vouchers(desk)),
        Job(name="courier", every_s=LOOK_S, work=courier.look),
    ]


async def _tell_budgets(store: Store) -> None:
    """Write into the log, once over all workers, which budgets are nearly or wholly spent."""
    async with store.writing() as conn:
        told = await budgets.untold(conn, now=wall_clock())
    for one in told:
        amounts = {"spent": str(Sum(one["spent"], one["code"])), "monthly": str(Sum(one["monthly"], one["code"]))}
        about = {name: one[name] for name in ("campus", "month", "scope", "name")}
        structlog.get_logger("catalogue").warning("budget alert", reached=one["what"], **about, **amounts)


async def _make_months(store: Store) -> None:
    """Make room for this month and the next ones, weeks before they come."""
    async with store.writing() as conn:
        made = await store.dialect.make_months(conn, months.coming(wall_clock()))
    if made:
        structlog.get_logger("catalogue").info("months made ready", months=made)


def load_key(config: Config) -> keys.Key:
    """The key that signs every answer.

    Raises:
        ConfigError: it is missing or others may read it.
    """
    try:
        return keys.load(config.key_file)
    except keys.KeyFileError as exc:
        raise ConfigError(str(exc), hint=exc.hint) from None


async def _start(site: web.TCPSite, config: Config) -> None:
    try:
        await site.start()
    except PermissionError:
        raise ConfigError(
            f"port {config.port} may not be used", hint="choose one above 1023: catalogue.listen"
        ) from None
    except OSError as exc:
        raise UnavailableError(
            f"{config.host}:{config.port} cannot be listened on: {exc.strerror}",
            hint="stop what listens there, or change catalogue.listen",
        ) from None


def _address(runner: web.AppRunner) -> str:
    host, port = runner.addresses[0][:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


@contextlib.contextmanager
def _told_to_stop() -> Iterator[asyncio.Event]:
    """Set once we are told to stop; listening before anybody learns that we are there."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    told = (signal.SIGTERM, signal.SIGINT)
    for number in told:
        loop.add_signal_handler(number, stop.set)
    try:
        yield stop
    finally:
        for number in told:
            loop.remove_signal_handler(number)
