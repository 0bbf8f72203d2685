"""Signatures: the RFC's own vectors, an independent verification, and every way a message can be wrong."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import re
from pathlib import Path

import http_message_signatures as hms
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from tests.wire_builders import NOW, a_key
from wire import keys, signing
from wire.signing import Headers, Request, Response, SignatureError

RFC_PUBLIC = b"""-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAJrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs=
-----END PUBLIC KEY-----
"""
RFC_PRIVATE = b"""-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIJ+DYvh6SEqVTm50DFtMDoQikTmiCqirVv9mWG9qfSnF
-----END PRIVATE KEY-----
"""
RFC_PARAMS = (
    '("date" "@method" "@path" "@authority" "content-type" "content-length")'
    ';created=1618884473;keyid="test-key-ed25519"'
)
RFC_BASE = (
    '"date": Tue, 20 Apr 2021 02:07:55 GMT\n"@method": POST\n"@path": /foo\n"@authority": example.com\n'
    '"content-type": application/json\n"content-length": 18\n"@signature-params": ' + RFC_PARAMS
)
RFC_SIGNATURE = "wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw=="
URL = "https://catalogue.example/v1/batches"
KEY_ID = "uni-example/agent-1/ab"


def test_the_rfc_9421_vector_b_2_6_verifies_with_the_primitive_and_with_the_library() -> None:
    public = load_pem_public_key(RFC_PUBLIC)
    assert isinstance(public, Ed25519PublicKey)
    public.verify(base64.b64decode(RFC_SIGNATURE), RFC_BASE.encode())
    request = Request(
        method="POST",
        url="https://example.com/foo?param=Value&Pet=dog",
        headers=Headers(
            [
                ("Date", "Tue, 20 Apr 2021 02:07:55 GMT"),
                ("Content-Type", "application/json"),
                ("Content-Length", "18"),
                (
                    "Signature-Input",
                    f"sig-b26={RFC_PARAMS}",
                ),
                ("Signature", f"sig-b26=:{RFC_SIGNATURE}:"),
            ]
        ),
    )
    resolver = hms.MappingKeyResolver(public_keys={"test-key-ed25519": public}, private_keys={})
    verifier = hms.HTTPMessageVerifier(signature_algorithm=hms.algorithms.ED25519, key_resolver=resolver)
    assert len(verifier.verify(request, max_age=None)) == 1


def test_the_rfc_9421_key_makes_the_rfcs_signature() -> None:
    private = load_pem_private_key(RFC_PRIVATE, password=None)
    assert isinstance(private, Ed25519PrivateKey)
    assert base64.b64encode(private.sign(RFC_BASE.encode())).decode() == RFC_SIGNATURE


def test_the_rfc_9530_digest_of_the_rfcs_body_is_the_rfcs_digest() -> None:
    assert hms.ContentDigest.create(b'{"hello": "world"}\n') == "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:"


def a_signed_request(key: keys.Key, body: bytes = b"hello\n", *, created: int = NOW) -> Request:
    request = Request(method="POST", url=URL, headers=Headers([("Content-Type", "application/jsonl")]))
    signing.sign_request(request, body, key=key, key_id=KEY_ID, created=created, tag=signing.BATCH_TAG)
    return request


def verify(request: Request, body: bytes, key: keys.Key, *, now: int = NOW, tag: str = signing.BATCH_TAG) -> None:
    signing.verify_request(request, body, public=key.public, key_id=KEY_ID, now=now, tag=tag)


def test_a_signed_request_is_verified_by_independent_means(tmp_path: Path) -> None:
    key, body = a_key(tmp_path), b"exact bytes\n"
    lines = dict(a_signed_request(key, body).headers.items())
    params = lines["Signature-Input"].removeprefix("rewards=")
    digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
    base = (
        f'"@method": POST\n"@path": /v1/batches\n"content-type": application/jsonl\n'
        f'"content-digest": sha-256=:{digest}:\n"@signature-params": {params}'
    )
    found = re.fullmatch(r"rewards=:(.+):", lines["Signature"])
    assert found
    Ed25519PublicKey.from_public_bytes(key.public).verify(base64.b64decode(found[1]), base.encode())
    verify(a_signed_request(key, body), body, key)


def test_a_request_without_a_body_is_signed_and_verified(tmp_path: Path) -> None:
    key = a_key(tmp_path)
    request = Request(method="GET", url=URL, headers=Headers())
    signing.sign_request(request, b"", key=key, key_id=KEY_ID, created=NOW, tag=signing.ASK_TAG)
    verify(request, b"", key, tag=signing.ASK_TAG)
    with pytest.raises(SignatureError):
        verify(request, b"smuggled", key, tag=signing.ASK_TAG)


def test_a_changed_body_method_path_or_type_is_refused(tmp_path: Path) -> None:
    key = a_key(tmp_path)
    with pytest.raises(SignatureError):
        verify(a_signed_request(key), b"hellO\n", key)
    signed = a_signed_request(key)
    for request in (dataclasses.replace(signed, method="PUT"), dataclasses.replace(signed, url=URL + "x")):
        with pytest.raises(SignatureError):
            verify(request, b"hello\n", key)
    request = a_signed_request(key)
    del request.headers["content-type"]
    request.headers["Content-Type"] = "text/plain"
    with pytest.raises(SignatureError):
        verify(request, b"hello\n", key)


def test_another_key_another_purpose_and_no_signature_are_refused(tmp_path: Path) -> None:
    key, other = a_key(tmp_path), a_key(tmp_path, "other")
    with pytest.raises(SignatureError):
        verify(a_signed_request(key), b"hello\n", other)
    with pytest.raises(SignatureError):
        verify(a_signed_request(key), b"hello\n", key, tag=signing.ENROL_TAG)
    with pytest.raises(SignatureError):
        verify(Request(method="POST", url=URL, headers=Headers()), b"hello\n", key)


def test_a_signature_that_does_not_cover_the_body_is_refused(tmp_path: Path) -> None:
    key = a_key(tmp_path)
    request = Request(method="POST", url=URL, headers=Headers([("Content-Type", "application/jsonl")]))
    signing.sign_request(request, b"", key=key, key_id=KEY_ID, created=NOW, tag=signing.BATCH_TAG)
    with pytest.raises(SignatureError):
        verify(request, b"hello\n", key)


@pytest.mark.parametrize(
    ("moved", "taken"),
    [
        (0, True),
        (signing.CREATED_AGE_MAX_S + signing.CLOCK_SKEW_MAX_S, True),
        (signing.CREATED_AGE_MAX_S + signing.CLOCK_SKEW_MAX_S + 1, False),
        (-signing.CLOCK_SKEW_MAX_S, True),
        (-signing.CLOCK_SKEW_MAX_S - 1, False),
    ],
)
def test_age_and_clock_skew_are_taken_up_to_their_limits(tmp_path: Path, moved: int, taken: bool) -> None:
    key = a_key(tmp_path)
    request = a_signed_request(key)
    if taken:
        verify(request, b"hello\n", key, now=NOW + moved)
    else:
        with pytest.raises(SignatureError, match="clocks"):
            verify(request, b"hello\n", key, now=NOW + moved)


def test_the_key_id_is_found_before_anything_is_proven(tmp_path: Path) -> None:
    request = a_signed_request(a_key(tmp_path))
    assert signing.claimed_key_id(dict(request.headers.items())) == KEY_ID
    for headers in ({}, {"Signature-Input": "rewards=1", "Signature": "rewards=1"}, {"Signature": "x"}):
        with pytest.raises(SignatureError):
            signing.claimed_key_id(headers)


def an_answer(key: keys.Key, request: Request | None, *, status: int = 200, tag: str = signing.STAND_TAG) -> Response:
    answer = Response(status_code=status, headers=Headers([("Content-Type", "application/json")]), request=request)
    signing.sign_response(answer, b"{}", key=key, created=NOW, tag=tag)
    return answer


def test_a_receipt_is_true_for_ever_and_a_stand_is_true_now(tmp_path: Path) -> None:
    agent, catalogue = a_key(tmp_path), a_key(tmp_path, "catalogue")
    receipt = an_answer(catalogue, None, tag=signing.RECEIPT_TAG)
    signing.verify_receipt(receipt, b"{}", public=catalogue.public, now=NOW + 10**8)
    stand = an_answer(catalogue, a_signed_request(agent))
    signing.verify_stand(stand, b"{}", public=catalogue.public, now=NOW)
    with pytest.raises(SignatureError, match="clocks"):
        signing.verify_stand(stand, b"{}", public=catalogue.public, now=NOW + 10**8)


def test_a_stand_that_answers_another_request_is_refused(tmp_path: Path) -> None:
    agent, catalogue = a_key(tmp_path), a_key(tmp_path, "catalogue")
    stand = an_answer(catalogue, a_signed_request(agent))
    elsewhere = dataclasses.replace(stand, request=a_signed_request(agent, b"another\n"))
    with pytest.raises(SignatureError):
        signing.verify_stand(elsewhere, b"{}", public=catalogue.public, now=NOW)
    unbound = dataclasses.replace(an_answer(catalogue, None), request=a_signed_request(agent))
    with pytest.raises(SignatureError):
        signing.verify_stand(unbound, b"{}", public=catalogue.public, now=NOW)


def test_a_stand_does_not_pass_for_a_receipt_nor_one_status_for_another(tmp_path: Path) -> None:
    agent, catalogue = a_key(tmp_path), a_key(tmp_path, "catalogue")
    with pytest.raises(SignatureError):
        signing.verify_receipt(an_answer(catalogue, a_signed_request(agent)), b"{}", public=catalogue.public, now=NOW)
    receipt = dataclasses.replace(an_answer(catalogue, None, tag=signing.RECEIPT_TAG), status_code=409)
    with pytest.raises(SignatureError):
        signing.verify_receipt(receipt, b"{}", public=catalogue.public, now=NOW)
