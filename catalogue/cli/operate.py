"""`init`, `serve` and `verify`: the catalogue as a whole."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from catalogue.cli.common import Answer, Centre, act, now
from machine import whole
from machine.reaching import names
from machine.words import counted
from wire.money.amounts import figure

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from catalogue.config import Config
    from catalogue.verify import Report


def init(centre: Centre) -> None:
    """Make what is missing: settings, key, database; upgrade an older database. May be run again.

    Example: rewards-catalogue init --data-dir /var/lib/rewards-catalogue
    """
    from catalogue.config import FILE_NAME

    if centre.config is None and centre.data_dir is not None:
        _settings_file(centre.data_dir, centre.data_dir / FILE_NAME)
    found = centre.settings
    _key(found)
    if found.database.get_backend_name() == "sqlite" and found.database.database:
        Path(found.database.database).touch(mode=0o600)
    changed = names.run(_upgrade(found))
    typer.echo(
        f"database {found.database.render_as_string(hide_password=True)}: {'made ready' if changed else 'is ready'}"
    )


def serve(centre: Centre) -> None:
    """Take batches until SIGTERM; prints the address once it listens.

    SIGHUP reads the settings again: the level of the log, the database's password, the vouchers' key and backup_within
    are taken on at once; of the rest it says that a restart is needed.

    Example: rewards-catalogue serve --config /etc/rewards-catalogue/catalogue.toml
    """
    from catalogue import log, server

    log.start()
    found = centre.settings
    log.start(found.log_level)

    def ready(address: str) -> None:
        typer.echo(f"listening on {address}")

    try:
        names.run(server.serve(found, ready=ready, again=centre.read_again))
    except MemoryError:
        # A loop that broke leaves threads that wait for it, and would keep a dead server from being started again.
        with contextlib.suppress(MemoryError):
            typer.echo("memory ran out; nothing is lost, start it again with more (MemoryMax= of the unit)", err=True)
        os._exit(1)


def verify(
    campus: Annotated[str | None, typer.Argument(help="Only this one.")] = None,
    sums: Annotated[
        bool, typer.Option("--sums", help="Print counts and sums of posted entries by campus, day, rule and currency.")
    ] = False,
    *,
    centre: Centre,
    answer: Answer,
) -> None:
    """Recompute chains and wallets from the stored bytes; exit 3 when anything does not agree.

    Example: rewards-catalogue verify uni-example --sums
    """
    from catalogue.server import load_key

    key = load_key(centre.settings)

    async def look(conn: AsyncConnection) -> tuple[Report, dict[str, dict[str, int]]]:
        from catalogue.verify import verify as check
        from catalogue.wallets import currencies

        found = await check(conn, key.public, now=now(), campus=campus)
        named = {one for one, *_ in found.sums} if sums else ()
        return found, {one: await currencies.decimals(conn, one) for one in named}

    report, decimals = centre.look(look, campus=campus)
    counts = {"agents": report.agents, "batches": report.batches, "entries": report.entries, "wallets": report.wallets}
    names = {
        "agents": ("agent",),
        "batches": ("batch", "batches"),
        "entries": ("entry", "entries"),
        "wallets": ("wallet",),
    }
    columns = ("campus", "day", "rule", "currency", "entries", "amount")
    rows = [dict(zip(columns, (*key, *value), strict=True)) for key, value in sorted(report.sums.items())]
    table = rows if sums else []
    answer.show(
        counts | {"faults": report.faults, "archived": sorted(report.archived)} | ({"sums": table} if sums else {}),
        lines=lambda: [
            *(_sum(row, decimals[str(row["campus"])]) for row in table),
            ", ".join(counted(count, *names[name]) for name, count in counts.items()),
            *(f"{line}; archive verify looks at its files" for line in report.archived.values()),
            *(report.faults or ["all agree"]),
        ],
    )
    if report.faults:
        raise typer.Exit(3)


def _sum(row: dict[str, Any], decimals: dict[str, int]) -> str:
    came_to = figure(row["amount"], row["currency"], decimals)
    return f"{row['campus']:24} {row['day']:10} {row['rule']:30} {row['entries']:>8} {came_to:>12} {row['currency']}"


def _settings_file(data_dir: Path, path: Path) -> None:
    from catalogue.config import EXAMPLE
    from catalogue.errors import ConfigError

    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not whole.write_new(path, EXAMPLE.encode(), mode=0o644):
            return
    except OSError as exc:
        raise ConfigError(
            f"{path} cannot be written: {exc.strerror}", hint=whole.unwritten(exc, "check the directory's owner")
        ) from None
    typer.echo(f"settings {path}: written")


def _key(config: Config) -> None:
    from catalogue.errors import ConfigError
    from catalogue.redemption import vault
    from catalogue.server import load_key
    from wire import keys

    if not config.key_file.exists():
        try:
            config.key_file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            keys.create(config.key_file)
        except keys.KeyFileError as exc:
            raise ConfigError(str(exc), hint=whole.unwritten(exc.__context__, exc.hint)) from None
        except OSError as exc:
            raise ConfigError(
                f"{config.key_file.parent} cannot be made: {exc.strerror}",
                hint=whole.unwritten(exc, "check the owner of the directory above it, or name another data_dir"),
            ) from None
    typer.echo(f"key {config.key_file}: {load_key(config).fingerprint} (keep a copy: agents take no other)")
    if not config.vouchers_file.exists():
        vault.create(config.vouchers_file)
        typer.echo(f"key {config.vouchers_file}: written (keep a copy: it opens the vouchers in the database)")


async def _upgrade(config: Config) -> bool:
    from catalogue import acts, schema
    from catalogue.store import Store

    async def noted(conn: AsyncConnection, had: str | None) -> None:
        await acts.note(conn, act(acts.EVERYWHERE, "database.upgrade"), before=had, schema=schema.REVISION)

    store = await Store.open(config.database, check_schema=False)
    try:
        return await store.upgrade(noted)
    finally:
        await store.close()
