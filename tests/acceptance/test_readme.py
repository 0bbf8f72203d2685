"""README's steps, typed as they are printed on a machine with Moodle: the first decision, and the first award."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.acceptance.campus import wait_until
from tests.acceptance.moodle_machine import printed, running_machine

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

FIRST_S, NEXT_S = 90, 60


def test_the_steps_of_the_readme_lead_to_the_first_decision_and_then_to_the_first_award(
    capture: None, tmp_path: Path
) -> None:
    with running_machine(tmp_path / "machine") as machine:
        first, look, live = printed("README.md", after="## In production")
        assert first[1] == "sh scripts/install.sh"
        assert "mode live" in live[0]
        machine.type(*first)
        assert (machine.place / "var/packages").read_text() == "python3 python3-venv\n", "what a fresh machine may lack"
        wait_until((machine.place / "var/lib/rewards-agent/ledger.db").exists, FIRST_S)
        wait_until(lambda: json.loads(machine.type("rewards-agent status --json"))["sources"], FIRST_S)
        machine.complete(9_001)
        wait_until(lambda: "lesson.completed" in machine.type(*look), FIRST_S)
        mode = json.loads(machine.type("rewards-agent mode --json"))
        assert (mode["mode"], mode["decided"]["shadow"]) == ("shadow", 1)
        assert json.loads(machine.type("rewards-agent ledger list --json")) == []
        machine.type(*live)
        wait_until(lambda: "agent_started" in machine.log(), NEXT_S)
        machine.complete(9_002)
        wait_until(lambda: len(json.loads(machine.type("rewards-agent ledger list --json"))) > 0, NEXT_S)
        (paid,) = {row["learner"] for row in json.loads(machine.type("rewards-agent ledger list --json"))}
        assert paid == "moodle:35"
