"""The campus's recovery key: what is sealed to its public half only the holder of the printed half can open.

Sealing is HPKE (RFC 9180): X25519, HKDF-SHA-256, ChaCha20-Poly1305. The public half stays with the agent; the private
half is printed once and kept by people, away from the machine that it is to replace.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
from dataclasses import dataclass
from pathlib import Path

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from agent.config.document import readable_to_us, unwritten
from agent.errors import ConfigError, IntegrityError, InvalidInputError
from agent.ledger.recovery.persons import MARKS_KEY, Known

FILE_NAME = "recovery.public"
_WORD = "REWARDS-RECOVERY-1"
_INFO = b"rewards person 1"
_KEY_BYTES = 32
_CHECK_BYTES = 3
_GROUP = 5
_FILE_BYTES_MAX = 10_000


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Lock:
    """The public half: seals."""

    public: X25519PublicKey
    fingerprint: str

    def seal(self, person: Known, *, campus: str) -> bytes:
        """What only the recovery key opens; bound to its campus and pseudonym."""
        body = orjson.dumps(
            {
                "site": person.site,
                "user": person.lms_user,
                "secret": person.secret.hex(),
                "created_at": person.created_at,
                "aliases": person.aliases,
                "out": person.out,
            },
            option=orjson.OPT_SORT_KEYS,
        )
        return _suite().encrypt(body, self.public, info=_info(campus, person.pseudonym))

    def seal_bytes(self, key: bytes, *, campus: str) -> bytes:
        """The key of the marks of the erased, likewise."""
        return _suite().encrypt(key, self.public, info=_info(campus, MARKS_KEY))


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class RecoveryKey:
    """The private half: opens."""

    private: X25519PrivateKey

    @property
    def lock(self) -> Lock:
        """Its public half."""
        return _lock(self.private.public_key())

    def text(self) -> str:
        """What is printed, once: groups of five letters and digits, the last of them a check."""
        raw = self.private.private_bytes(
            serialization.Encoding.Raw, serialization.PrivateFormat.Raw, serialization.NoEncryption()
        )
        written = base64.b32encode(raw + _check(raw)).decode().rstrip("=")
        groups = [written[start : start + _GROUP] for start in range(0, len(written), _GROUP)]
        return "-".join((_WORD, *groups))

    def open(self, sealed: bytes, *, campus: str, pseudonym: str) -> Known:
        """The person in ``sealed``.

        Raises:
            IntegrityError: it was sealed to another key, for another campus or name, or was changed.
        """
        try:
            body = _suite().decrypt(sealed, self.private, info=_info(campus, pseudonym))
            fields = orjson.loads(body)
            return Known(
                site=fields["site"],
                lms_user=fields["user"],
                secret=bytes.fromhex(fields["secret"]),
                pseudonym=pseudonym,
                created_at=fields["created_at"],
                aliases=fields["aliases"],
                out=fields.get("out", ()),  # a copy of before says nothing of it
            )
        except (InvalidTag, ValueError, KeyError, TypeError):
            raise IntegrityError(
                f"the sealed person {pseudonym} does not open with this recovery key",
                hint="take the recovery key of this campus that was in force; see docs/ops/recovery.md",
            ) from None

    def open_bytes(self, sealed: bytes, *, campus: str) -> bytes:
        """What `Lock.seal_bytes` has sealed.

        Raises:
            IntegrityError: it was sealed to another key, or was changed.
        """
        try:
            return _suite().decrypt(sealed, self.private, info=_info(campus, MARKS_KEY))
        except (InvalidTag, ValueError):
            raise IntegrityError(
                "the key of the marks of the erased does not open with this recovery key",
                hint="take the recovery key of this campus that was in force; see docs/ops/recovery.md",
            ) from None

    @classmethod
    def new(cls) -> RecoveryKey:
        """A fresh one."""
        return cls(private=X25519PrivateKey.generate())

    @classmethod
    def parse(cls, text: str) -> RecoveryKey:
        """Read what was printed: case, spaces and line ends do not matter.

        Raises:
            InvalidInputError: it is not one, or a letter of it is wrong.
        """
        plain = "".join(text.upper().split()).replace("-", "")
        word = _WORD.replace("-", "")
        hint = f"it begins with {_WORD} and was printed once by rewards-agent init or key recovery"
        if word not in plain:
            raise InvalidInputError("this is not a recovery key", hint=hint)
        written = plain.rpartition(word)[2].translate(str.maketrans("018", "OIB"))
        try:
            raw = base64.b32decode(written + "=" * (-len(written) % 8))
        except (binascii.Error, ValueError):
            raw = b""
        body, check = raw[:_KEY_BYTES], raw[_KEY_BYTES:]
        if len(raw) != _KEY_BYTES + _CHECK_BYTES or check != _check(body):
            raise InvalidInputError(
                "a letter of the recovery key is wrong or missing", hint="compare it letter by letter"
            )
        return cls(private=X25519PrivateKey.from_private_bytes(body))


def read_recovery_key(path: Path) -> RecoveryKey:
    """The recovery key in a file; other lines around it do not matter.

    Raises:
        ConfigError: the file cannot be read.
        InvalidInputError: it holds none.
    """
    try:
        text = path.read_text(encoding="utf-8")[:_FILE_BYTES_MAX]
    except (OSError, UnicodeDecodeError) as exc:
        raise ConfigError(f"{path} cannot be read: {exc}", hint="name the file that holds the recovery key") from None
    lines = [line for line in text.splitlines() if _WORD in line.upper()]
    return RecoveryKey.parse(lines[0] if len(lines) == 1 else text)


def read_lock(path: Path) -> Lock | None:
    """The public half where there is one.

    Raises:
        ConfigError: the file is there and is not one.
    """
    try:
        return _lock(X25519PublicKey.from_public_bytes(bytes.fromhex(path.read_text(encoding="ascii").strip())))
    except FileNotFoundError:
        return None
    except PermissionError:
        raise ConfigError(f"{path}: this user may not read it", hint=readable_to_us(path)) from None
    except (OSError, ValueError):
        raise ConfigError(
            f"{path} is not the public half of a recovery key",
            hint="restore that file, or make a new key: rewards-agent key recovery",
        ) from None


def write_lock(path: Path, lock: Lock) -> None:
    """Keep the public half; what was there is replaced.

    Raises:
        ConfigError: it cannot be written.
        TransientError: the disk is full or read-only; what was there stays.
    """
    draft = path.with_name(f".{path.name}.new")
    try:
        draft.write_text(_raw(lock.public).hex() + "\n", encoding="ascii")
        draft.replace(path)
    except OSError as exc:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)
        raise unwritten(path, exc) from None


def _lock(public: X25519PublicKey) -> Lock:
    return Lock(public=public, fingerprint=hashlib.sha256(_raw(public)).hexdigest()[:32])


def _raw(public: X25519PublicKey) -> bytes:
    return public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)


def _check(raw: bytes) -> bytes:
    return hashlib.sha256(_WORD.encode() + raw).digest()[:_CHECK_BYTES]


def _info(campus: str, pseudonym: str) -> bytes:
    return _INFO + b"\0" + f"{campus}\0{pseudonym}".encode()


def _suite() -> Suite:
    return Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)
