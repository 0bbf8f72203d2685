"""Holding files against their manifest: every row is read back, chains are computed again, sums added up."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from catalogue.archive import files
from catalogue.archive.files import TABLES, Digest, Place
from catalogue.errors import IntegrityError
from wire import chain
from wire.batch import digest as digest_of


def check(place: Place, manifest: bytes) -> list[str]:
    """What does not agree between a month's files, their manifest, and the hash that the database has of it."""
    try:
        if files.hashed(place.folder / files.MANIFEST) != manifest.hex():
            return ["its manifest is not the one that was made"]
        return _faults(place, files.manifest(place))
    except IntegrityError as exc:
        return [exc.message]
    except (KeyError, TypeError, ValueError) as exc:
        return [f"its manifest lacks something: {type(exc).__name__} {exc}"]


def _faults(place: Place, said: dict[str, Any]) -> list[str]:
    faults: list[str] = []
    if (said["campus"], said["month"]) != (place.campus, place.month):
        faults.append(f"it is {said['month']} of {said['campus']}")
    for table in TABLES:
        wanted, digest = said["files"][table], Digest()
        if files.hashed(place.file(table)) != wanted["file_sha256"]:
            return [f"{table}.parquet was changed"]
        for page in files.read(place.file(table)):
            digest.add(page)
        if (digest.rows, digest.hex()) != (wanted["rows"], wanted["rows_sha256"]):
            faults.append(f"{table}.parquet holds other rows than were written")
    if not faults:
        faults += _movements(place, said)
        faults += _chains(place, said)
    return faults


def _movements(place: Place, said: dict[str, Any]) -> list[str]:
    """Numbers without gaps, and sums by currency and kind."""
    no = said["first_no"] - 1
    sums: defaultdict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0, 0])
    for row in rows(place, "movement"):
        if row["no"] != no + 1:
            return [f"movement {no + 1} is missing"]
        no = row["no"]
        added = sums[row["currency"], row["kind"]]
        for at, value in enumerate((1, row["amount"], row["waived"])):
            added[at] += value
    told = sorted([*key, *value] for key, value in sums.items())
    faults = [] if told == sorted(said["sums"]) else ["its movements come to other sums"]
    return faults if no == said["last_no"] else [*faults, f"its movements end at {no}, not {said['last_no']}"]


def _chains(place: Place, said: dict[str, Any]) -> list[str]:
    """Each agent's chain over its entries' bytes, batch by batch, and each batch as it was received."""
    stands = {one["agent"]: bytes.fromhex(one["previous"]) for one in said["chains"]}
    entries = rows(place, "entry")
    for batch in rows(place, "batch"):
        where = f"{batch['agent']} seq {batch['first_seq']} to {batch['last_seq']}"
        wanted = range(batch["first_seq"], batch["last_seq"] + 1)
        came = [next(entries, None) for _ in wanted]
        bodies = [one["body"] for one in came if one is not None]
        place_of = [(one["agent"], one["epoch"], one["seq"]) for one in came if one is not None]
        if place_of != [(batch["agent"], batch["epoch"], seq) for seq in wanted]:
            return [f"{where}: entries are missing"]
        if batch["previous"] != stands.get(batch["agent"]):
            return [f"{where}: does not follow"]
        stands[batch["agent"]] = chain.head(batch["previous"], bodies)
        if stands[batch["agent"]] != batch["head"]:
            return [f"{where}: the chain over its entries ends in another hash"]
        if digest_of(b"\n".join([batch["header"], *bodies, b""])) != batch["digest"]:
            return [f"{where}: is not the batch that was received"]
    if next(entries, None) is not None:
        return ["entries beyond the last batch"]
    wrong = [one["agent"] for one in said["chains"] if stands[one["agent"]].hex() != one["head"]]
    return [f"the chain of {name} ends elsewhere" for name in wrong]


def rows(place: Place, table: str) -> Iterator[dict[str, Any]]:
    """One table's rows by name, in order."""
    names = files.columns(table)
    for page in files.read(place.file(table)):
        for row in page:
            yield dict(zip(names, row, strict=True))
