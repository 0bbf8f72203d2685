"""TLS to a database: whom the URL's `ssl_ca` vouches for, what we show (`ssl_cert`), and why a server is not let in.

Without `ssl_ca` a connection is made as the server offers it; with it nothing is said to a server that is not verified.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from pathlib import Path

from agent.config.secrets import read_secret
from agent.errors import ConfigError
from machine import trusting

_NONE_OFFERED = ("SSL is required but the server doesn't support it", "rejected SSL upgrade")
"""How pymysql and asyncpg say that a server speaks no TLS."""


def context_of(query: Mapping[str, str], place: str, key: str) -> ssl.SSLContext | None:
    """What verifies the server of a URL with this ``query`` and shows it our certificate; None without an authority.

    Raises:
        ConfigError: a file cannot be read, holds no certificate, or no key for it; others may read the key.
    """
    file = query.get("ssl_ca")
    if file is None:
        return None
    try:
        context = ssl.create_default_context(cafile=file)
    except OSError as error:
        reason = "no certificate is in it" if isinstance(error, ssl.SSLError) else error.strerror
        raise ConfigError(
            f"{place}: {key}: ssl_ca={file} cannot be read: {reason}",
            hint="name a file with the certificate authority of the database server (PEM)",
            fault="certificate-unusable",
        ) from error
    if "ssl_cert" in query:
        _showing(context, query["ssl_cert"], Path(query.get("ssl_key", query["ssl_cert"])), place, key)
    return context


def _showing(context: ssl.SSLContext, file: str, key: Path, place: str, setting: str) -> None:
    """Let the server see our certificate in ``file``; ``key`` holds its private key, alone or beside it."""
    read_secret(key.parent, str(key))
    try:
        context.load_cert_chain(file, key, password=lambda: "")  # an encrypted key is refused, and nobody asked
    except OSError as error:
        reason = "it is no certificate with its key" if isinstance(error, ssl.SSLError) else error.strerror
        raise ConfigError(
            f"{place}: {setting}: ssl_cert={file} cannot be used: {reason}",
            hint="ssl_cert names our certificate (PEM), ssl_key the private key that belongs to it, without a password",
            fault="certificate-unusable",
        ) from error


def refused(error: Exception, where: str, place: str, key: str, *, asked: bool) -> ConfigError | None:
    """The server's certificate, or that it has none though it is ``asked`` for, as what an edit cures; else None."""
    unbelieved = trusting.unbelieved(error)
    if unbelieved is not None:
        return ConfigError(
            f"{place}: the database at {where} shows a certificate that ssl_ca does not vouch for: "
            f"{unbelieved.verify_message}",
            hint=trusting.cure(unbelieved, authority=f"ssl_ca in {key}", address=key),
            fault="certificate-untrusted",
        )
    if asked and any(words in str(error) for words in _NONE_OFFERED):
        return ConfigError(
            f"{place}: the database at {where} speaks no TLS, and {key} asks for it with ssl_ca",
            hint=f"give the server a certificate, or take ssl_ca out of {key} where nobody in between can listen",
            fault="tls-missing",
        )
    return None
