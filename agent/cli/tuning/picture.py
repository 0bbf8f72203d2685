"""How amounts are spread over learners, as bars: in the terminal, and as an SVG that any page can hold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agent.engine.whatif.spread import Range

_BAR_CHARS = 40
_EIGHTHS = " ▏▎▍▌▋▊▉"
_FILLS = ('fill="#2f6f9f"', 'fill="#f2d9a6" stroke="#6b4600"')
"""Told apart without their colours too: one is dark, the other an outline; both stand out from white."""
_WIDTH, _HEIGHT, _LEFT, _TOP, _BOTTOM = 720, 320, 48, 40, 56


def label_of(one: Range, decimals: int) -> str:
    """`11–20`, or `0.11–0.20` for a currency with two decimals."""
    low, high = (f"{Decimal(end).scaleb(-decimals):.{decimals}f}" for end in (one.low, one.high))
    return low if low == high else f"{low}–{high}"


def drawn(ranges: Sequence[Range], names: Sequence[str], decimals: int) -> Iterator[str]:
    """Lines for a terminal: one bar for each range, two where two sets of rules are compared."""
    most = max((count for one in ranges for count in one.counts), default=0)
    labels = [label_of(one, decimals) for one in ranges]
    width = max(map(len, labels), default=0)
    who = max(map(len, names), default=0) if len(names) > 1 else 0
    for label, one in zip(labels, ranges, strict=True):
        for number, count in enumerate(one.counts):
            name = f"{names[number]:<{who}}  " if who else ""
            shown = label if number == 0 else ""
            yield f"{shown:>{width}}  {name}{_bar(count, most)} {count}"


def _bar(count: int, most: int) -> str:
    eighths = -(-count * _BAR_CHARS * 8 // most) if most else 0
    whole, part = divmod(eighths, 8)
    return "█" * whole + (_EIGHTHS[part] if part else "")


def svg(ranges: Sequence[Range], names: Sequence[str], decimals: int, title: str) -> str:
    """The same as a drawing of its own; every bar says its figures when it is pointed at."""
    most = max((count for one in ranges for count in one.counts), default=0) or 1
    room, high = _WIDTH - _LEFT - 16, _HEIGHT - _TOP - _BOTTOM
    each = room / max(len(ranges), 1)
    base = _TOP + high
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img">',
        f"<title>{escape(title)}</title>",  # the first thing in it is what a screen reader calls it
        '<g font-family="sans-serif" font-size="11">',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>',
        f'<text x="{_LEFT}" y="20" font-size="14">{escape(title)}</text>',
        f'<line x1="{_LEFT}" y1="{base}" x2="{_WIDTH - 16}" y2="{base}" stroke="black"/>',
        f'<text x="{_LEFT - 6}" y="{_TOP + 4}" text-anchor="end">{most}</text>',
        f'<text x="{_LEFT - 6}" y="{base}" text-anchor="end">0</text>',
    ]
    for n, one in enumerate(ranges):
        left, label = _LEFT + n * each, escape(label_of(one, decimals))
        wide = each * 0.8 / len(one.counts)
        for number, count in enumerate(one.counts):
            tall = high * count / most
            parts.append(
                f'<rect x="{left + each * 0.1 + number * wide:.1f}" y="{base - tall:.1f}" width="{wide:.1f}" '
                f'height="{tall:.1f}" {_FILLS[number % 2]}>'
                f"<title>{escape(names[number])}, {label}: {count}</title></rect>"
            )
        parts.append(f'<text x="{left + each / 2:.1f}" y="{base + 16}" text-anchor="middle">{label}</text>')
    for number, name in enumerate(names):
        x, y = _LEFT + number * 240, _HEIGHT - 12
        parts.append(f'<rect x="{x}" y="{y - 9}" width="10" height="10" {_FILLS[number % 2]}/>')
        parts.append(f'<text x="{x + 16}" y="{y}">{escape(name)}</text>')
    return "\n".join([*parts, "</g>", "</svg>", ""])
