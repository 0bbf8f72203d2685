"""A voucher as a picture that a till can read: a QR code in SVG, the same from campus and centre."""

from __future__ import annotations

import io

import segno


def svg(text: str) -> bytes:
    """A QR code of a token or a code, with the quiet zone that readers need, scalable."""
    picture = io.BytesIO()
    segno.make(text, error="m", micro=False).save(picture, kind="svg", scale=8, border=4, title="QR code of a voucher")
    return picture.getvalue()
