"""From the settings to the door and to the sources behind it."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping

from agent.clock import Clock
from agent.collectors.base import Collector, LookUps
from agent.collectors.door.addresses import networks
from agent.collectors.door.app import Door, DoorSource
from agent.collectors.door.credentials import Credentials
from agent.collectors.door.wrapped import WRAPPED
from agent.collectors.inbox.collector import InboxCollector, InboxOptions
from agent.collectors.inbox.leaving import Gone
from agent.collectors.inbox.store import Inbox
from agent.collectors.systems.registry import SIGNATURES, SIGNED_IN, SYSTEMS, TOKEN_IN_ADDRESS
from agent.config.kinds import KindTable
from agent.config.secrets import read_secret, secret_file
from agent.config.settings import HttpSettings, PostSource, Settings
from agent.errors import ConfigError


def inbox_collectors(
    settings: Settings,
    inbox: Inbox | None,
    clock: Clock,
    kinds: Callable[[], KindTable],
    look_ups: Mapping[str, LookUps],
    gone: Gone,
) -> dict[str, Collector]:
    """A collector for each configured source that posts; without an inbox there are none.

    ``look_ups`` says by a source's name who knows what its posts lack, ``gone`` who was erased.
    """
    return (
        {}
        if inbox is None
        else {
            source.name: InboxCollector(
                InboxOptions(
                    name=source.name,
                    site=source.site_name,
                    backdated_after_s=source.backdated_after_s,
                    site_admins=frozenset(source.site_admins),
                    awaits_log=source.same_site_as is not None,
                    pay_before_log=source.pay_before_log,
                    keep_s=settings.privacy.payloads_keep_s,
                ),
                inbox,
                SYSTEMS[source.kind],
                kinds,
                clock,
                look_ups.get(source.name),
                gone,
            )
            for source in settings.post_sources
        }
    )


def door_of(
    settings: Settings,
    inbox: Inbox | None,
    clock: Clock,
    kinds: Callable[[], KindTable],
    *,
    stuck: Callable[[], bool],
) -> Door | None:
    """The door as configured, not yet listening; None without `[http]` or where no source posts.

    ``stuck`` says whether the ledger cannot be written now.

    Raises:
        ConfigError: a secret cannot be read, or certificate and key do not belong together.
    """
    if settings.http is None or inbox is None:
        return None
    return Door(
        [_source(settings, source, source.path) for source in settings.post_sources if source.path is not None],
        inbox,
        clock,
        kinds=kinds,
        listen=_address(settings.http),
        tls=door_tls(settings, settings.http),
        proxies=networks(settings.http.trusted_proxies),
        stuck=stuck,
    )


def _source(settings: Settings, source: PostSource, path: str) -> DoorSource:
    signature = SIGNATURES.get(source.kind)
    if source.secret_files and signature is None:
        raise ConfigError(
            f"{settings.path}: [[source]] {source.name}: {source.kind} does not sign what it posts",
            hint="take secret_files out, and give it a token: bearer_token_files",
        )
    return DoorSource(
        name=source.name,
        kind=source.kind,
        site=source.site_name,
        path=path,
        credentials=Credentials(
            tokens=tuple(read_secret(settings.home, name) for name in source.bearer_token_files),
            secrets=tuple(read_secret(settings.home, name) for name in source.secret_files),
            allowed=networks(source.allow_ips),
            signature=signature,
            signed_in=SIGNED_IN.get(source.kind, ""),
        ),
        system=SYSTEMS[source.kind],
        rate_per_s=source.rate_limit_per_s,
        body_bytes_max=source.body_bytes_max,
        token_in_address=source.kind in TOKEN_IN_ADDRESS,
        unwrapped=WRAPPED.get(source.kind, bytes),
    )


def _address(http: HttpSettings) -> tuple[str, int]:
    host, _, port = http.listen.rpartition(":")
    return host.strip("[]"), int(port)


def door_tls(settings: Settings, http: HttpSettings) -> ssl.SSLContext | None:
    """What makes the door speak TLS itself; None where a proxy does, or nobody.

    Raises:
        ConfigError: certificate and key cannot be used, or others may read the key.
    """
    if http.certificate_file is None and http.private_key_file is None:
        return None
    place = f"{settings.path}: [http]"
    if http.certificate_file is None or http.private_key_file is None:
        lacking = "certificate_file" if http.certificate_file is None else "private_key_file"
        raise ConfigError(f"{place}: {lacking} is missing", hint="TLS needs both, or neither behind a proxy")
    read_secret(settings.home, http.private_key_file)  # nobody else may read it
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        key = secret_file(settings.home, http.private_key_file)
        context.load_cert_chain(http.certificate_file, key, password=lambda: "")  # nobody is there to be asked for one
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(
            f"{place}: certificate_file and private_key_file cannot be used: {error.strerror or error}",
            hint="both are PEM, the certificate with its chain, the key without a password, and belong together",
        ) from error
    return context
