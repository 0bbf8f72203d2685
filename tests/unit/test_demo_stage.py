"""What the demonstration shows, and how its proof speaks."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from agent.demo.stage.place import Place
from agent.demo.stage.proof import Proof, told
from agent.demo.stage.screen import Moving, Plain
from agent.demo.stage.watch import Figures, Verdict
from agent.model import Outcome

FIGURES = Figures(
    log_rows=5_000,
    behind=12,
    gaps=2,
    events=1_100,
    entries=700,
    acked=650,
    batches=3,
    attempts=2,
    trouble="cannot be reached",
    points={"points": 9_000},
    outcomes={Outcome.awarded: 690, Outcome.held: 4, Outcome.refused: 70},
    reasons={"limit 3/day": 30},
    verdicts=(
        Verdict(
            number=1, rule="lesson-completed", learner="moodle:11", outcome=Outcome.refused, reason="limit 3/day [x]"
        ),
    ),
)


def name(learner: str) -> str:
    return {"moodle:11": "Aisha Adams"}[learner]


@pytest.mark.parametrize("screen", [Plain, Moving])
def test_both_screens_tell_figures_refusals_and_the_outage(screen: type[Plain | Moving]) -> None:
    out = io.StringIO()
    console = Console(file=out, width=160, force_terminal=screen is Moving, color_system=None)
    with screen(console, name) as shown:
        shown.say("The catalogue is killed [for real].")
        for _ in range(4):
            shown.show(FIGURES)
    text = out.getvalue()
    for said in ("[for real]", "5,000", "1,100", "650", "Aisha Adams", "lesson-completed", "limit 3/day [x]"):
        assert said in text


def test_the_proof_tells_the_first_differences_and_counts_the_rest() -> None:
    proof = Proof(proven=("The wallets agree.",), differences=tuple(f"difference {n}" for n in range(5)))
    assert told(proof) == [
        "✓ The wallets agree.",
        "✗ difference 0",
        "✗ difference 1",
        "✗ difference 2",
        "✗ … and 2 more",
    ]


def test_a_furnished_place_is_not_furnished_again(tmp_path: Path) -> None:
    place = Place(directory=tmp_path / "place", port=1)
    place.furnish()
    with pytest.raises(FileExistsError):
        place.furnish()
