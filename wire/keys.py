"""Ed25519 keys: files that only their owner reads, the names that keys go by on the wire, and which followed which.

A catalogue's key is followed by the next in a chain whose links both keys sign, so it is believed from either end.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from wire import canonical
from wire.canonical import MalformedError

FORMAT = 1
LINKS_MAX = 1000
SIGNATURE_BYTES = 64
FINGERPRINT_BYTES = 16
PUBLIC_BYTES = 32
KEY_FILE_BYTES_MAX = 10_000
_FOLLOWS = b"rewards catalogue key\n"


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
        try:
            _write_new(draft, pem)
            path.hardlink_to(draft)
        finally:
            draft.unlink(missing_ok=True)
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """``new`` follows ``old`` (public keys, 32 bytes each); both have signed that, 64 bytes each."""

    old: bytes
    new: bytes
    by_old: bytes
    by_new: bytes
    made_at: int

    @classmethod
    def make(cls, old: Key, new: Key, *, now: int) -> Link:
        """Let ``new`` follow ``old``."""
        text = _text(old.public, new.public, now)
        return cls(
            old=old.public, new=new.public, by_old=old.private.sign(text), by_new=new.private.sign(text), made_at=now
        )

    def holds(self) -> bool:
        """Whether both keys have signed it."""
        text = _text(self.old, self.new, self.made_at)
        try:
            Ed25519PublicKey.from_public_bytes(self.old).verify(self.by_old, text)
            Ed25519PublicKey.from_public_bytes(self.new).verify(self.by_new, text)
        except InvalidSignature:
            return False
        return True


def encode_links(links: Sequence[Link]) -> bytes:
    """Canonical bytes of a chain, the oldest link first."""
    told = [
        {
            "old": link.old.hex(),
            "new": link.new.hex(),
            "by_old": link.by_old.hex(),
            "by_new": link.by_new.hex(),
            "made_at": link.made_at,
        }
        for link in links
    ]
    return canonical.dump({"v": FORMAT, "kind": "keys", "links": told})


def parse_links(body: bytes) -> tuple[Link, ...]:
    """Read a chain; nothing of it is proven yet.

    Raises:
        MalformedError: it is none.
    """
    fields = canonical.load(body, what="the list of keys")
    canonical.version(fields, FORMAT)
    links = fields.get("links")
    if fields.get("kind") != "keys" or not isinstance(links, list) or len(links) > LINKS_MAX:
        raise MalformedError(f"the list of keys must have at most {LINKS_MAX} 'links'")
    return tuple(_link(link) for link in links)


def followed(links: Sequence[Link], pinned: str) -> tuple[bytes, ...]:
    """All public keys of the chain that holds the key with the fingerprint ``pinned``, the newest last.

    Empty where that key has no part in it, or a link is not signed by both.
    """
    if not links or not all(link.holds() for link in links):
        return ()
    keys = (links[0].old, *(link.new for link in links))
    whole = all(before.new == after.old for before, after in pairwise(links))
    return keys if whole and pinned in map(fingerprint, keys) else ()


def _link(fields: Any) -> Link:
    if not isinstance(fields, dict):
        raise MalformedError("a link of the list of keys must be an object")
    return Link(
        old=canonical.octets(fields, "old", length=PUBLIC_BYTES),
        new=canonical.octets(fields, "new", length=PUBLIC_BYTES),
        by_old=canonical.octets(fields, "by_old", length=SIGNATURE_BYTES),
        by_new=canonical.octets(fields, "by_new", length=SIGNATURE_BYTES),
        made_at=canonical.whole(fields, "made_at"),
    )


def _text(old: bytes, new: bytes, at: int) -> bytes:
    return _FOLLOWS + old + new + at.to_bytes(8, "big")
