"""The tutorial beside a real Moodle, typed as it is printed: from nothing to a voucher and the first copy."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.acceptance.campus import wait_until
from tests.acceptance.moodle_machine import AGENT, Machine, printed, running_machine

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

PAGE = "docs/tutorials/real-moodle.md"
CENTRE = "rewards-catalogue"
WAIT_S = 90


def read_to_its_end(machine: Machine) -> bool:
    """Whether the agent has read what Moodle's log tells."""
    ((newest,),) = machine.moodle.execute("SELECT MAX(id) FROM mdl_logstore_standard_log")
    sources = json.loads(machine.type("rewards-agent status --json"))["sources"]
    return any(one["source"] == "moodle" and one["position"] == newest for one in sources)


def test_the_tutorial_leads_from_nothing_to_a_voucher(capture: None, tmp_path: Path) -> None:
    programs, centre, files, account, shadow, posted, live, awarded, tea, home = printed(PAGE)
    with running_machine(tmp_path / "machine") as machine:
        machine.moodle.execute("UPDATE mdl_user SET username = 'ann' WHERE id = 35")

        machine.type(*programs, *centre[:-1])
        wait_until(lambda: "listening on" in machine.log(CENTRE), WAIT_S)
        (token,) = re.findall(r"^enrol\.\S+$", machine.type(centre[-1]), re.MULTILINE)
        assert "REWARDS-RECOVERY-1-" in machine.type(*files)
        looked = machine.type(*account)
        assert "reads the log and 25 tables, and may not write" in looked
        assert "completion is tracked in 5 of 5 courses" in looked
        assert ", 0 failed" in looked

        (enrol,) = (line for line in shadow if line.endswith("enrol -"))
        enabled, told = shadow[: shadow.index(enrol)], shadow[shadow.index(enrol) + 1 :]
        machine.type(*enabled)
        wait_until(lambda: "agent_started" in machine.log(), WAIT_S)
        machine.type(enrol, stdin=f"{token}\n")
        wait_until(lambda: read_to_its_end(machine), WAIT_S)
        assert " shadow" in machine.type(*told)

        machine.complete(9_001)
        wait_until(lambda: read_to_its_end(machine), WAIT_S)
        assert "lesson-completed shadow" in machine.type(*posted)

        assert json.loads(machine.type("rewards-agent ledger list --json")) == []
        machine.type(*live)
        wait_until(lambda: machine.log().count("agent_started") == len(live), WAIT_S)
        machine.complete(9_002)
        wait_until(lambda: read_to_its_end(machine), WAIT_S)
        wait_until(lambda: json.loads(machine.type("rewards-agent sync status --json"))["waiting"] == 0, WAIT_S)
        entries, shown, wallet = (machine.type(line) for line in awarded)
        assert "lesson-completed  10      points    award" in entries
        assert shown.startswith("Ana García (ann, moodle:35), outside the campus ")
        assert wallet.split()[1:] == ["10", "points"]

        said = machine.type(*tea)
        assert "A cup of tea for 10 points: fulfilled" in said
        assert re.search(r"^voucher uni-example\.\w+, until ", said, re.MULTILINE)
        assert "backup: the last one was made" in machine.type(*home, check=False)
        assert list((machine.place / "var/backups" / AGENT).iterdir())
