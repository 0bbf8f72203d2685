"""Why a server's certificate is not believed, and what to do about it, whoever asks the server."""

from __future__ import annotations

import ssl

_ENDED, _NOT_YET = 10, 9
_OF_ANOTHER = frozenset({62, 64})
"""OpenSSL's numbers: a certificate that is over or has not begun, one that names another host or address."""


def unbelieved(error: BaseException) -> ssl.SSLCertVerificationError | None:
    """The certificate's fault in what a driver or client of ours raises, None where it is another."""
    names = ("original_exception", "certificate_error", "os_error", "__cause__", "__context__")
    for found in (error, *(getattr(error, name, None) for name in names)):
        # A client's own error may call itself one without what OpenSSL said.
        if isinstance(found, ssl.SSLCertVerificationError) and hasattr(found, "verify_code"):
            return found
    return None


def cure(error: ssl.SSLCertVerificationError, *, authority: str, address: str) -> str:
    """What to do; ``authority`` and ``address`` are the settings that name who vouches, and where the server is."""
    if error.verify_code == _ENDED:
        return (
            "its certificate must be renewed there; if it is still valid, this machine's clock is wrong (timedatectl)"
        )
    if error.verify_code == _NOT_YET:
        return "compare the clocks (timedatectl): by this machine's the certificate is not valid yet"
    if error.verify_code in _OF_ANOTHER:
        return f"correct the host in {address}: it must be one that the certificate names"
    return f"name the file of the authority that vouches for it, or of the certificate itself: {authority}"


def plain(error: BaseException) -> bool:
    """Whether a server answered a request for TLS with something else."""
    return any(words in str(error) for words in ("WRONG_VERSION_NUMBER", "wrong version number"))
