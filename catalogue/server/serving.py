"""Runs the door until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Callable, Iterator

import structlog
from aiohttp import web

from catalogue.app import Door, wall_clock
from catalogue.config import Config
from catalogue.errors import ConfigError, UnavailableError
from catalogue.funding import budgets
from catalogue.health.counts import Counts
from catalogue.partners import courier
from catalogue.partners.courier import Courier
from catalogue.partners.http import HttpAdapter
from catalogue.proof.keys import KeyFile
from catalogue.redemption.desk import Desk
from catalogue.redemption.vault import Vault
from catalogue.rewards.money import Sum
from catalogue.server import jobs, vouchers
from catalogue.server.jobs import Job
from catalogue.server.pulse import Pulse
from catalogue.server.reloading import Reloading
from catalogue.server.status import Told
from catalogue.server.vouchers import Vouchers
from catalogue.store import Store, months
from catalogue.wallets import expiry
from machine.interpreter import at_work
from machine.listening.address import site_at
from machine.listening.listener import CannotListenError
from machine.notify import notify
from machine.status import Status
from wire import keys

KEEPALIVE_S = 75.0
BUDGETS_LOOK_S = 60.0
"""How often a server looks whether a budget has something to tell, in seconds."""
ERASURES_LOOK_S = 60.0
"""How often a server looks whether something of who was erased may be left in the files, in seconds."""
WISHES_LOOK_S = 3600.0
"""How often answers that nobody asks for any more are looked for, in seconds."""
MONTHS_LOOK_S = 3600.0
"""How often a server looks whether the months to come have room, in seconds."""
SHUTDOWN_S_MAX = 10.0
"""How long requests that came whole and are under way may take to finish after SIGTERM, in seconds."""

log = structlog.get_logger()


async def serve(config: Config, *, ready: Callable[[str], None], again: Callable[[], Config]) -> None:
    """Listen until SIGTERM or SIGINT; ``ready`` is told the address once connections are taken.

    SIGHUP reads the settings with ``again``.

    Raises:
        ConfigError: the key or the schema is missing, or an address is not ours.
        UnavailableError: the database does not answer, or the port is taken.
    """
    load_key(config)
    key, safe = KeyFile(config.key_file), Vault.load(config.vouchers_file)
    async with contextlib.AsyncExitStack() as stack:
        store = await Store.open(config.database)
        stack.push_async_callback(store.close)
        adapter = HttpAdapter(key)
        stack.push_async_callback(adapter.close)
        reload = Reloading(config, again, store=store, vault=safe)
        stop = stack.enter_context(_told(reload))
        counts, desk = Counts(), Desk(store, safe)
        # Bodies stay as they were sent: the signature covers their exact bytes.
        runner = web.AppRunner(
            Door(store=store, key=key, vault=safe, counts=counts).app(),
            access_log=None,
            auto_decompress=False,
            keepalive_timeout=KEEPALIVE_S,
            shutdown_timeout=SHUTDOWN_S_MAX,
        )
        stack.push_async_callback(runner.cleanup)
        await runner.setup()
        await _start(runner, config)
        sealed = Vouchers(desk)
        workers = await stack.enter_async_context(jobs.running(_jobs(desk, Courier(desk, adapter), sealed)))
        told = Told(lambda: reload.config, store, counts, workers, sealed)
        await stack.enter_async_context(_open(config, told))
        address = _address(runner)
        stack.enter_context(at_work())
        await stack.enter_async_context(_beating(Pulse(store, f"listening on {address}")))
        ready(address)
        notify(f"READY=1\nSTATUS=listening on {address}")
        log.info("catalogue_started", address=address, database=config.database.get_backend_name())
        await stop.wait()
        notify("STOPPING=1")
    log.info("catalogue_stopped")


@contextlib.asynccontextmanager
async def _open(config: Config, told: Told) -> AsyncIterator[None]:
    """The address at which machines ask how we are, where there is one."""
    if config.status_listen is None:
        yield
        return
    setting = "catalogue.status_listen"
    status = Status(
        config.status_listen,
        program="rewards-catalogue",
        setting=setting,
        unready=told.unready,
        figures=told.figures,
    )
    try:
        await status.open()
    except CannotListenError as exc:
        raise ConfigError(exc.message, hint=exc.hint) from None
    try:
        yield
    finally:
        await status.close()


@contextlib.asynccontextmanager
async def _beating(pulse: Pulse) -> AsyncIterator[None]:
    """Systemd hears that we live while the block lasts."""
    task = asyncio.create_task(pulse.run(), name="pulse")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _jobs(desk: Desk, carrying: Courier, sealed: Vouchers) -> list[Job]:
    store = desk.store
    return [
        Job(name="expiry", every_s=expiry.LOOK_S, work=expiry.Expiry(store).look),
        Job(name="budgets", every_s=BUDGETS_LOOK_S, work=lambda: _tell_budgets(store)),
        Job(name="months", every_s=MONTHS_LOOK_S, work=lambda: _make_months(store)),
        Job(name="erasures", every_s=ERASURES_LOOK_S, work=store.scrub),
        Job(name="vouchers", every_s=vouchers.LOOK_S, work=sealed.look),
        Job(name="wishes", every_s=WISHES_LOOK_S, work=lambda: desk.forget(now=wall_clock())),
        Job(name="courier", every_s=courier.LOOK_S, work=carrying.round, needed=True),
    ]


async def _tell_budgets(store: Store) -> None:
    """Write into the log, once over all workers, which budgets are nearly or wholly spent."""
    async with store.writing() as conn:
        told = await budgets.untold(conn, now=wall_clock())
    for one in told:
        log.warning(
            "budget_alert",
            reached=one["what"],
            campus=one["campus"],
            month=one["month"],
            scope=one["scope"],
            name=one["name"],
            spent=str(Sum(one["spent"], one["code"])),
            monthly=str(Sum(one["monthly"], one["code"])),
        )


async def _make_months(store: Store) -> None:
    """Make room for this month and the next ones, weeks before they come."""
    async with store.writing() as conn:
        made = await store.dialect.make_months(conn, months.coming(wall_clock()))
    if made:
        log.info("months_made", months=made)


_KEY_GONE = "put back your copy: agents take no other; a new catalogue gets one from: rewards-catalogue init"


def load_key(config: Config) -> keys.Key:
    """The key that signs every answer.

    Raises:
        ConfigError: it is missing or others may read it.
    """
    try:
        return keys.load(config.key_file)
    except keys.KeyFileError as exc:
        hint = exc.hint if config.key_file.exists() else _KEY_GONE
        raise ConfigError(str(exc), hint=hint) from None


async def _start(runner: web.AppRunner, config: Config) -> None:
    try:
        await site_at(runner, config.host, config.port).start()
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
def _told(reload: Callable[[], None]) -> Iterator[asyncio.Event]:
    """Set once we are told to stop; listening to signals before anybody learns that we are there.

    Whoever is told again while the block is left, by an impatient supervisor, still answers what is under way.
    """
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    told = {signal.SIGTERM: stop.set, signal.SIGINT: stop.set, signal.SIGHUP: reload}
    for number, act in told.items():
        loop.add_signal_handler(number, act)
    try:
        yield stop
    finally:
        for number in told:
            loop.remove_signal_handler(number)
