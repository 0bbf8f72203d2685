"""By which way facts come in: a source's posts to a path, by being asked, as kudos from the catalogue; state tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from agent.config.document import Document, Fault
from agent.config.tables.pull import ASKED

SUFFIX = "/state"
"""Ends the name of the reader of a source's state tables; no configured source has such a name."""
OURS = {"scheduled": "what is decided at a time", "manual": "what is done by hand"}
"""Sources that every ledger has, of which caps, exports and explanations speak by these names."""
_NO_CLIENT = "`client` is missing: LearnWorlds wants the school's id"
_CLIENT = "Settings → Developers → API shows it as Client ID: client = …"


def configured(source: str) -> str:
    """The name that a source has in the configuration, whichever of its readers is meant."""
    return source.removesuffix(SUFFIX)


def faults_of(document: Document, path: tuple[str, int], source: Mapping[str, Any]) -> Iterator[Fault]:
    """A source posts, or is asked, or both."""
    kind, pull = source.get("kind"), source.get("pull")
    if pull is None:
        if "path" not in source and not _hears_kudos(document, source):
            yield document.fault((*path, "name"), "`path` is missing: where does it post to?", 'path = "/hook/…"')
    elif kind not in ASKED:
        told = f"a source of kind {kind} cannot be asked"
        yield document.fault((*path, "pull"), told, f"these can: {', '.join(sorted(ASKED))}", on="key")
    elif kind == "learnworlds" and isinstance(pull, Mapping) and "client" not in pull:
        yield document.fault((*path, "pull"), _NO_CLIENT, _CLIENT, on="key")


def taken_names(document: Document, sources: list[Mapping[str, Any]]) -> Iterator[Fault]:
    """What has a name of ours would be taken for it: nothing would be decided at a time, caps would count the wrong."""
    for number, name in ((number, one.get("name")) for number, one in enumerate(sources)):
        if isinstance(name, str) and name in OURS:
            message = f"{name!r} is the source of {OURS[name]}"
            hint = f'choose another name; learners keep theirs with site = "{name}"'
            yield document.fault(("source", number, "name"), message, hint)


def logs_read_twice(document: Document, sources: list[Mapping[str, Any]]) -> Iterator[Fault]:
    """Two sources that read one log would pay everybody twice, as another learner each."""
    first: dict[tuple[object, ...], tuple[str | int, ...]] = {}
    for number, source in enumerate(sources):
        key = "url" if source.get("log_url") is None else "log_url"
        if source.get("kind") != "moodle-logstore" or not isinstance(source.get(key), str):
            continue
        path = ("source", number, key)
        other = first.setdefault(_log_of(source, source[key]), path)
        if other != path:
            line, _ = document.line_column(document.place(other).value)
            hint = f"the other stands in line {line}: everybody would be paid by both"
            yield document.fault(path, "two sources read this log", hint)


def _log_of(source: Mapping[str, Any], url: str) -> tuple[object, ...]:
    """Where a log table stands, whoever reads it; some servers go by several names, which nobody sees here."""
    database, _, options = url.partition("?")
    scheme, _, where = database.partition("://")
    table = source.get("log_table") or f"{source.get('table_prefix', 'mdl_')}logstore_standard_log"
    chosen = sorted(one for one in options.split("&") if one.startswith(("unix_socket=", "schema=")))
    return scheme, where.rpartition("@")[2], table, *chosen


def kudos_faults(document: Document, sources: list[Mapping[str, Any]]) -> Iterator[Fault]:
    """Kudos come through a source that takes events of any kind."""
    kudos = _kudos(document)
    generic = [str(one.get("name")) for one in sources if one.get("kind") == "generic"]
    if isinstance(kudos, str) and kudos not in generic:
        message = f"there is no source {kudos!r} of kind generic"
        known = f"there are: {', '.join(generic)}" if generic else 'add a [[source]] with kind = "generic"'
        yield document.fault(("catalogue", "kudos"), message, known)


def _kudos(document: Document) -> object:
    """Through which source kudos come, as it is written."""
    catalogue = document.data.get("catalogue")
    return catalogue.get("kudos") if isinstance(catalogue, Mapping) else None


def _hears_kudos(document: Document, source: Mapping[str, Any]) -> bool:
    return source.get("kind") == "generic" and "pull" not in source and source.get("name") == _kudos(document)
