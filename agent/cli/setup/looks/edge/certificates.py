"""Certificates and keys: those that we show, those that we trust, and how long they last."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from agent.cli.setup.looks.finding import Finding, duration
from agent.errors import ConfigError, RewardsError

if TYPE_CHECKING:
    from agent.config.settings import Settings

WARN_S = 21 * 86_400
"""Three weeks: long enough for an office that is closed for two."""
KEY_S = 2 * 365 * 86_400
"""A signing key never ends by itself; after two years it should be another one."""
ABOUT = "certificates"


def certificate_findings(settings: Settings, now: int) -> list[Finding]:
    """How long each certificate that the configuration names still lasts, and how old the signing key is."""
    findings = [found for what, path in _named(settings) for found in _certificate(what, path, now)]
    if all(found.code != "certificate-unusable" for found in findings):
        findings.extend(_door(settings))
    if settings.catalogue is not None and settings.key_file.exists():
        findings.extend(_key(settings.key_file))
    return [*findings, *_badges(settings)]


def _named(settings: Settings) -> Iterator[tuple[str, Path]]:
    if settings.http is not None and settings.http.certificate_file is not None:
        yield "the door's certificate", settings.http.certificate_file
    if settings.catalogue is not None and settings.catalogue.ca_file is not None:
        yield "the authority that vouches for the catalogue", settings.catalogue.ca_file
    for source in settings.log_sources:
        for url in filter(None, (source.url, source.log_url)):
            query = parse_qs(urlsplit(url).query)
            for path in query.get("ssl_ca", [])[-1:]:
                yield f"the authority that vouches for the database of {source.name}", Path(path)
            for path in query.get("ssl_cert", [])[-1:]:
                yield f"the certificate that we show the database of {source.name}", Path(path)


def _door(settings: Settings) -> Iterator[Finding]:
    """Whether the door can show its certificate: the agent does not start with one that it has no key for."""
    from agent.collectors.door.built import door_tls

    if settings.http is None:
        return
    try:
        door_tls(settings, settings.http)
    except ConfigError as exc:
        yield Finding.of(ABOUT, exc, "certificate-unusable")


def _badges(settings: Settings) -> Iterator[Finding]:
    """Whether the keys are there that vouch for badges: they are needed when a learner asks for one."""
    from agent.config.secrets import read_secret
    from agent.credentials import signing

    for name in settings.credentials.key_files if settings.credentials is not None else ():
        try:
            signing.read(read_secret(settings.home, name).reveal(), name)
        except RewardsError as exc:
            yield Finding.of("badges", exc, "secret-unusable")


def _certificate(what: str, path: Path, now: int) -> Iterator[Finding]:
    from cryptography import x509

    try:
        ends = min(one.not_valid_after_utc for one in x509.load_pem_x509_certificates(path.read_bytes()))
    except (OSError, ValueError) as exc:
        yield Finding(
            about=ABOUT,
            level="fail",
            code="certificate-unusable",
            found=f"{what}, {path}, cannot be read: {exc}",
            do="it is a PEM file with one certificate or a chain: correct the name, or put the file there",
            exit_code=2,
        )
        return
    left = int(ends.timestamp()) - now
    if left <= 0:
        found = f"{what}, {path}, ended on {ends:%Y-%m-%d}: whoever checks it refuses the connection"
        yield Finding(
            about=ABOUT, level="fail", code="certificate-expired", found=found, do="renew it, then restart the agent"
        )
    elif left < WARN_S:
        found = f"{what}, {path}, ends in {duration(left)}, on {ends:%Y-%m-%d}"
        do = "renew it in time, then restart the agent"
        yield Finding(about=ABOUT, level="warn", code="certificate-expires", found=found, do=do)
    else:
        yield Finding(about=ABOUT, level="ok", found=f"{what} lasts until {ends:%Y-%m-%d}")


def _key(path: Path) -> Iterator[Finding]:
    made = path.stat().st_mtime
    if time.time() - made > KEY_S:
        since = datetime.fromtimestamp(made, UTC)
        yield Finding(
            about=ABOUT,
            level="warn",
            code="key-old",
            found=f"the signing key {path} is of {since:%Y-%m-%d}",
            do="replace it while nothing is wrong: rewards-agent key rotate",
        )
