"""What `rules explain` says of a check beside its reason. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from agent.config.rulefile.tables.check import DuplicateText, Empty, FairCheck


def terms(spec: FairCheck) -> tuple[str, ...]:
    """What a check looks at and how, a few words for each key that its reason does not tell."""
    return tuple(_terms(spec))


def _terms(spec: FairCheck) -> Iterator[str]:
    if spec.on is not None:
        yield f"on {' or '.join(spec.on)}"
    if spec.by == "actor":
        yield "by the actor"
    if spec.about is not None:
        yield f"about the same {spec.about}"
    if spec.duplicate_text is not None:
        yield _text(spec.duplicate_text)
    if isinstance(spec.empty, Empty):
        yield _least(spec.empty)
    if spec.reciprocal is not None and spec.reciprocal.times > 1:
        yield f"{spec.reciprocal.times} times each"
    if spec.weight > 1:
        yield f"weighs {spec.weight}"
    if spec.if_unknown == "hold":
        yield "held where that is not known"
    if spec.reason:
        yield spec.reason


def _text(wanted: DuplicateText) -> str:
    whose = "another of their own" if wanted.of == "own" else "anyone's"
    where = "on the site" if wanted.in_ == "site" else f"in the {wanted.in_}"
    return f"{wanted.alike} % like {whose} {where}, of {wanted.min_words} words or more"


def _least(wanted: Empty) -> str:
    """All that is known of it is less than this."""
    named = (("word", wanted.words), ("character", wanted.characters), ("file", wanted.files))
    said = [f"{least} {what}{'' if least == 1 else 's'}" for what, least in named if least is not None]
    return f"less than {' and '.join(said)}"
