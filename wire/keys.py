"""Ed25519 keys: files that only their owner reads, and the names that keys go by on the wire."""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

FINGERPRINT_BYTES = 16
PUBLIC_BYTES = 32
KEY_FILE_BYTES_MAX = 10_000


class KeyFileError(ValueError):
    """A key file cannot be used; ``hint`` says what to do about it. Neither text holds key material."""

    def __init__(self, message: str, *, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


def fingerprint(public: bytes) -> str:
    """A public key's short name: the first 16 bytes of its SHA-256, as 32 hex digits."""
    return hashlib.sha256(public).digest()[:FINGERPRINT_BYTES].hex()


def raw(public: Ed25519PublicKey) -> bytes:
    """The 32 bytes of a public key."""
    return public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Key:
    """A private key with its public half (32 bytes) and its fingerprint. Has no repr that could end in a log."""

    private: Ed25519PrivateKey
    public: bytes
    fingerprint: str

    @classmethod
    def of(cls, private: Ed25519PrivateKey) -> Key:
        """Wrap a private key."""
        public = raw(private.public_key())
        return cls(private=private, public=public, fingerprint=fingerprint(public))


def create(path: Path) -> Key:
    """Make a new key in a file of its own (PEM, PKCS 8, mode 0600), whole or not at all.

    Raises:
        KeyFileError: the file is there already (it is never overwritten), or cannot be written.
    """
    key = Key.of(Ed25519PrivateKey.generate())
    pem = key.private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    draft = path.with_name(f".{path.name}.{os.getpid()}.{key.fingerprint}")
    try:
        _write_new(draft, pem)
        try:
            path.hardlink_to(draft)
        finally:
            draft.unlink()
        sync_directory(path.parent)
    except FileExistsError:
        raise KeyFileError(
            f"{path} is there already", hint="use it, or name another file; it is not replaced"
        ) from None
    except OSError as exc:
        raise KeyFileError(f"{path} cannot be written: {exc.strerror}", hint="check its directory's owner") from None
    return key


def load(path: Path) -> Key:
    """Read a private key that nobody but its owner may read.

    Raises:
        KeyFileError: it is missing, others may read it, or it is not an Ed25519 key in PEM.
    """
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            pem = file.read(KEY_FILE_BYTES_MAX)
    except FileNotFoundError:
        raise KeyFileError(f"there is no key file {path}", hint="make one first") from None
    except OSError as exc:
        raise KeyFileError(f"{path} cannot be read: {exc.strerror}", hint="check its owner and mode (0600)") from None
    if mode & 0o077:
        raise KeyFileError(f"others may read {path} (mode {mode:04o})", hint=f"chmod 600 {path}")
    try:
        private = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise KeyFileError(f"{path} is not a private key in PEM", hint="restore it from a backup") from None
    if not isinstance(private, Ed25519PrivateKey):
        raise KeyFileError(f"{path} is a key of another kind than Ed25519", hint="make a new one")
    return Key.of(private)


def sync_directory(directory: Path) -> None:
    """Make what was created, renamed or removed in ``directory`` outlive a power cut."""
    fd = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _write_new(path: Path, content: bytes) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
