"""Certificates for servers on 127.0.0.1, each its own authority."""

from __future__ import annotations

import datetime as dt
import ipaddress
import os
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.servers.postgres import unprivileged


def certified(
    directory: Path, name: str, *, address: str = "127.0.0.1", ends: dt.timedelta = dt.timedelta(days=1)
) -> tuple[Path, Path]:
    """NAME.pem, a certificate for ``address`` that ends so far from now, and NAME.key for whoever runs servers here."""
    key = ec.generate_private_key(ec.SECP256R1())
    called = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, f"{name} of a test")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder(called, called, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + ends)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    chain, secret = directory / f"{name}.pem", directory / f"{name}.key"
    chain.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    secret.touch(0o600)
    secret.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return chain, secret


def lend(*files: Path) -> None:
    """Give files to the account that a server runs as where it refuses root."""
    account = unprivileged()
    if account is not None:
        for file in files:
            os.chown(file, account.pw_uid, account.pw_gid)
