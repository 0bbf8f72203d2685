"""Why a certificate is not believed, and what is told to do."""

from __future__ import annotations

import ssl

import pytest

from machine import trusting


@pytest.mark.parametrize(
    ("number", "told"),
    [
        (9, "by this machine's the certificate is not valid yet"),
        (10, "must be renewed there"),
        (18, "the authority that vouches for it, or of the certificate itself: ca_file"),
        (20, "the authority that vouches for it, or of the certificate itself: ca_file"),
        (62, "correct the host in url"),
        (64, "correct the host in url"),
    ],
)
def test_each_fault_of_a_certificate_has_its_own_cure(number: int, told: str) -> None:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_code = number
    assert told in trusting.cure(error, authority="ca_file", address="url")


def test_a_certificates_fault_is_found_in_what_a_client_raises_and_nothing_else_is() -> None:
    inner = ssl.SSLCertVerificationError(1, "certificate verify failed")
    inner.verify_code = 10
    outer = ConnectionError("cannot connect")
    outer.__cause__ = inner
    assert trusting.unbelieved(outer) is inner
    assert trusting.unbelieved(ConnectionError("refused")) is None
    assert trusting.plain(ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number"))
