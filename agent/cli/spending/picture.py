"""A voucher as a QR code in a file of its own, for whoever has a till that reads it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

import typer

from agent.errors import ConfigError
from machine import whole

QrOption = Annotated[
    Path | None,
    typer.Option("--qr", metavar="FILE", help="Draw the voucher as a QR code (SVG) into this file, which must be new."),
]


@contextlib.contextmanager
def picture(path: Path | None) -> Iterator[Callable[[str], bool]]:
    """A file to draw a voucher into, made before anything is paid; gone again where there was none to draw.

    Gives what draws: whether a picture was asked for and is there. It is money: only its owner may read it.

    Raises:
        ConfigError: the file is there already, or cannot be written.
    """
    if path is None:
        yield lambda _voucher: False
        return
    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise ConfigError(f"{path} is there already", hint="it may be somebody's voucher: name another file") from None
    except OSError as exc:
        raise ConfigError(
            f"{path} cannot be written: {exc.strerror}", hint=whole.unwritten(exc, "choose another place")
        ) from None
    drawn = False

    def draw(voucher: str) -> bool:
        from wire.money import qr

        nonlocal drawn
        with open(file, "wb", closefd=False) as out:
            out.write(qr.svg(voucher))
        drawn = True
        return True

    try:
        yield draw
    finally:
        os.close(file)
        if not drawn:
            path.unlink(missing_ok=True)
