"""Parquet files of one month of one campus, and the manifest that says what they hold. Needs the extra ``parquet``."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import BigInteger, Boolean, LargeBinary, Table

from catalogue import schema
from catalogue.errors import CatalogueError, ConfigError, IntegrityError

TABLES: dict[str, Table] = {"entry": schema.entry, "batch": schema.batch, "movement": schema.movement}
MANIFEST = "manifest.json"
PAGE_ROWS = 5000
"""Rows that are written and read at once, and that a row group has."""
VERSION = 1
"""Of what a manifest says."""
MANIFEST_BYTES_MAX = 2**26
_READ_BYTES = 2**20

Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the files of one month of one campus lie."""

    root: Path
    month: str
    campus: str

    @property
    def folder(self) -> Path:
        """The folder of the whole set."""
        return self.root / self.month / self.campus

    def file(self, table: str) -> Path:
        """One table's."""
        return self.folder / f"{table}.parquet"


def library() -> Any:
    """The library that reads and writes Parquet.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        import pyarrow as pa  # noqa: PLC0415 - an extra: only who archives has it
        import pyarrow.parquet  # noqa: PLC0415 - as above
    except ImportError:
        raise ConfigError(
            "the archive needs the library pyarrow", hint="install the extra: pip install 'rewards-sidecar[parquet]'"
        ) from None
    return pa


def columns(table: str) -> list[str]:
    """What a row of a file has, in order."""
    return [column.name for column in TABLES[table].columns]


class Digest:
    """SHA-256 over rows, whatever file they are in."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self.rows = 0

    def add(self, rows: Sequence[Row]) -> None:
        """The next rows."""
        for row in rows:
            said = [value.hex() if isinstance(value, bytes) else value for value in row]
            self._hash.update(json.dumps(said, separators=(",", ":")).encode() + b"\n")
        self.rows += len(rows)

    def hex(self) -> str:
        """Of all so far."""
        return self._hash.hexdigest()


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Tell what the disk refuses."""
    try:
        yield
    except OSError as exc:
        why = exc.strerror or str(exc)
        raise CatalogueError(
            f"{path} cannot be written: {why}", hint="make room there, or name another --dir"
        ) from None


async def write(path: Path, table: str, pages: AsyncIterator[list[Row]]) -> Digest:
    """Write one table's rows, page by page, to the disk itself; what was written.

    Raises:
        CatalogueError: the disk does not take it.
    """
    pa = library()
    kinds = {BigInteger: pa.int64(), Boolean: pa.bool_(), LargeBinary: pa.binary()}
    fields = [(one.name, kinds.get(type(one.type), pa.string())) for one in TABLES[table].columns]
    shape = pa.schema([pa.field(name, kind) for name, kind in fields])
    digest = Digest()
    with _writing(path):
        with pa.parquet.ParquetWriter(path, shape, compression="zstd") as writer:
            async for page in pages:
                arrays = [pa.array([row[at] for row in page], type=field.type) for at, field in enumerate(shape)]
                writer.write_batch(pa.record_batch(arrays, schema=shape))
                digest.add(page)
        _sync(path)
    return digest


def read(path: Path) -> Iterator[list[Row]]:
    """The rows of one file, page by page.

    Raises:
        IntegrityError: it is no Parquet file, or a damaged one.
    """
    pa = library()
    try:
        with pa.parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=PAGE_ROWS):
                lists = [column.to_pylist() for column in batch.columns]
                yield list(zip(*lists, strict=True))
    except (OSError, pa.ArrowException) as exc:
        raise IntegrityError(
            f"{path} cannot be read: {exc}", hint="take this month from a copy of the archive"
        ) from None


def hashed(path: Path) -> str:
    """SHA-256 of a file's bytes.

    Raises:
        IntegrityError: it cannot be read.
    """
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while some := file.read(_READ_BYTES):
                digest.update(some)
    except OSError as exc:
        raise IntegrityError(
            f"{path} cannot be read: {exc.strerror}", hint="name the archive's directory with --dir, or take a copy"
        ) from None
    return digest.hexdigest()


def manifest(place: Place) -> dict[str, Any]:
    """What the files of a month hold.

    Raises:
        IntegrityError: it is missing, or no manifest.
    """
    path = place.folder / MANIFEST
    try:
        with path.open("rb") as file:
            said = json.loads(file.read(MANIFEST_BYTES_MAX))
    except (OSError, ValueError, RecursionError):
        said = None
    if not isinstance(said, dict) or said.get("v") != VERSION:
        raise IntegrityError(f"{path} is no manifest", hint="take this month from a copy of the archive")
    return said


def begin(place: Place) -> Place:
    """An empty place beside the final one: nothing half written has its name.

    Raises:
        CatalogueError: it cannot be made.
    """
    beside = Place(root=place.root, month=place.month, campus=f".{place.campus}.new")
    with _writing(beside.folder):
        if beside.folder.exists():
            shutil.rmtree(beside.folder)
        beside.folder.mkdir(mode=0o700, parents=True)
    return beside


def seal(beside: Place, place: Place, said: dict[str, Any]) -> bytes:
    """Write the manifest and give the set its name; the manifest's SHA-256.

    Raises:
        CatalogueError: the disk does not take it.
    """
    text = json.dumps(said, sort_keys=True, indent=1).encode() + b"\n"
    path = beside.folder / MANIFEST
    with _writing(path):
        path.write_bytes(text)
        _sync(path)
        if place.folder.exists():
            shutil.rmtree(place.folder)
        beside.folder.rename(place.folder)
        _sync(place.folder)
        _sync(place.folder.parent)
    return hashlib.sha256(text).digest()


def _sync(path: Path) -> None:
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
