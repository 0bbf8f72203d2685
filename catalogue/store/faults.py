"""What a database said when it refused, what that means, and what to do about it."""

from __future__ import annotations

import re

from sqlalchemy.exc import DBAPIError

from catalogue.errors import ConfigError, IntegrityError, UnavailableError

_NO_ROOM = ("disk is full", "disk I/O error", "No space left on device")
_CROWDED = ("too many", "connection slots are reserved")
_KIND = re.compile(r"^<class '[^']*'>: ")


def database_said(exc: Exception) -> str:
    """What a database said, in one line: without the statement, its values, and the driver's name for it."""
    cause = exc.orig if isinstance(exc, DBAPIError) and exc.orig is not None else exc
    return _KIND.sub("", str(cause).partition("\n")[0]) or type(cause).__name__


def unusable(place: str, exc: Exception) -> ConfigError | UnavailableError | IntegrityError:
    """What it means that a database could not be read: whose turn it is, and what to do."""
    said = database_said(exc)
    if any(word in said for word in ("not a database", "malformed")):
        return IntegrityError(
            f"{place} is damaged: {said}",
            hint="stop the server, see the disk's own log (dmesg), and put the newest good backup back:"
            " rewards-catalogue restore",
        )
    if any(word in said for word in ("password", "authentication", "does not exist", "unable to open")):
        return ConfigError(f"{place} cannot be used: {said}", hint="check [database] url and password_file")
    verb = "written" if any(word in said for word in _NO_ROOM) else "reached"
    return UnavailableError(f"{place} cannot be {verb}: {said}", hint=remedy(said))


def remedy(said: str) -> str:
    """What to do about a database that refuses so; nothing that was under way is half done."""
    if "read-only" in said:
        return "this command changes something: give it the primary, not a replica"
    if any(word in said for word in _NO_ROOM):
        return "make room on its disk (df; dmesg says whether it fails), then type the same again"
    if any(word in said for word in _CROWDED):
        return (
            "others hold all its connections (SELECT * FROM pg_stat_activity): end what needs none, or raise"
            " max_connections or the role's CONNECTION LIMIT; then type the same again"
        )
    return "is the database running?"
