"""A second agent of the campus, beside a Moodle of its own in the north: whoever learns at both has one purse."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random

from sim.moodle import BEGAN, Moodle
from sim.programs import Sidecar
from sim.trace import Trace

SITE = "north"
PERSONS: Mapping[int, int] = {51: 31, 52: 32, 53: 33, 54: 54}
"""User of the north → what the same person is called at the first Moodle; one learns nowhere else."""
LATE_S_MAX = 20.0
HABIT = 0.4
"""How often somebody acts here when somebody acts there."""

CONFIG = """\
[agent]
campus = "uni-example"
data_dir = "data"
[[source]]
name = "north"
kind = "moodle-logstore"
url = "sqlite:///{moodle}"
start_at = "beginning"
poll_interval_s = 2.0
gap_patience = "120s"
reconcile = "off"
[catalogue]
url = "http://127.0.0.1:8734"
[identity]
link_by = ["email"]
link_agents = true
"""


@dataclass(slots=True)
class North:
    """The agent and its Moodle. What learners do is drawn by ``chance``, so that nothing of the others changes."""

    sidecar: Sidecar
    moodle: Moodle
    chance: Random
    trace: Trace

    def maybe(self) -> None:
        """Somebody acts, or nobody does; what was begun becomes visible at once, late or never."""
        now, waiting = self.trace.time(), sorted(self.moodle.waiting)
        if waiting and self.chance.random() < 0.5:
            number = self.chance.choice(waiting)
            (self.moodle.commit if self.chance.random() < 0.9 else self.moodle.roll_back)(number)
        if self.chance.random() < HABIT:
            self.trace.fault("acts at a second agent")
            number = self.moodle.begin(self.moodle.acts.next(int(BEGAN + now)))
            if self.chance.random() < 0.7:
                self.moodle.commit(number)

    def end(self) -> None:
        """Every transaction that is open ends now."""
        for number in sorted(self.moodle.waiting):
            self.moodle.commit(number)
