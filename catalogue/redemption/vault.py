"""Vouchers under lock: one-time tokens of which a digest is kept, and partners' codes, encrypted where they lie."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import stat
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from catalogue.errors import ConfigError, IntegrityError
from machine.whole import unwritten, write_new

SECRET_BYTES = 32
TOKEN_BYTES = 20
NONCE_BYTES = 12


class Vault:
    """Works with one secret of 32 bytes. Has no repr that could end in a log."""

    def __init__(self, secret: bytes) -> None:
        self._token_key = _derived(secret, b"rewards token")
        self._code_key = _derived(secret, b"rewards code digest")
        self._cipher = AESGCM(_derived(secret, b"rewards voucher"))

    @classmethod
    def load(cls, path: Path) -> Vault:
        """Open the secret that `create` made.

        Raises:
            ConfigError: it is missing, others may read it, or it is no such secret.
        """
        try:
            mode = stat.S_IMODE(path.stat().st_mode)
            secret = bytes.fromhex(path.read_text(encoding="ascii").strip())
        except FileNotFoundError:
            raise ConfigError(
                f"there is no {path}", hint="put back your copy; for a new catalogue: rewards-catalogue init"
            ) from None
        except (OSError, ValueError):
            raise ConfigError(f"{path} holds no secret that can be read", hint="put back your copy of it") from None
        if mode & 0o077:
            raise ConfigError(f"others may read {path} (mode {mode:04o})", hint=f"chmod 600 {path}")
        if len(secret) != SECRET_BYTES:
            raise ConfigError(f"{path} holds no secret of {SECRET_BYTES} bytes", hint="put back your copy of it")
        return cls(secret)

    def become(self, other: Vault) -> bool:
        """Work with the secret of another from now on; whether that is not the same."""
        if hmac.compare_digest(self._token_key, other._token_key):
            return False
        self._token_key, self._code_key, self._cipher = other._token_key, other._code_key, other._cipher
        return True

    def token(self, campus: str, redemption: str) -> str:
        """The token of a redemption, the same whenever it is asked for: an answer that was lost can be given again."""
        made = hmac.new(self._token_key, f"{campus}\n{redemption}".encode(), hashlib.sha256).digest()[:TOKEN_BYTES]
        return f"{campus}.{base64.b32encode(made).decode().lower()}"

    def code_digest(self, code: str) -> bytes:
        """What a code is known by without being readable, 32 bytes."""
        return hmac.new(self._code_key, code.encode(), hashlib.sha256).digest()

    def seal(self, text: str, about: str) -> bytes:
        """``text`` encrypted, bound to what it is ``about``."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, text.encode(), about.encode())

    def open(self, sealed: bytes, about: str) -> str:
        """What was sealed.

        Raises:
            IntegrityError: it was sealed with another secret, for something else, or was changed.
        """
        try:
            return self._cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], about.encode()).decode()
        except InvalidTag:
            raise locked(about) from None


def locked(about: str) -> IntegrityError:
    """What is to be done about a voucher that this secret does not open."""
    return IntegrityError(
        f"the voucher of {about} cannot be opened", hint="was vouchers.key replaced? put back your copy of it"
    )


def create(path: Path) -> None:
    """Make a new secret in a file of its own (mode 0600); one that is there stays.

    Raises:
        ConfigError: it cannot be written.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_new(path, f"{secrets.token_hex(SECRET_BYTES)}\n".encode("ascii"))
    except OSError as exc:
        raise ConfigError(
            f"{path} cannot be written: {exc.strerror}", hint=unwritten(exc, "check the directory's owner")
        ) from None


def digest(token: str) -> bytes:
    """What is kept of a token, 32 bytes: it is too long to be guessed, so a plain hash hides it."""
    return hashlib.sha256(token.encode()).digest()


def _derived(secret: bytes, purpose: bytes) -> bytes:
    return HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=purpose).derive(secret)
