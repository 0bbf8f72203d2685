"""The play: found a campus, start catalogue and agent, live on, take the catalogue away and back, prove it all."""

from __future__ import annotations

import signal
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from types import FrameType

from agent.demo.campus import DAY_S, Campus
from agent.demo.founding import create
from agent.demo.life import HISTORY_DAYS, Life
from agent.demo.stage.place import SOURCE, Place
from agent.demo.stage.processes import Agent, Catalogue
from agent.demo.stage.proof import Proof, prove
from agent.demo.stage.screen import Screen, reasons
from agent.demo.stage.watch import Figures, Watch
from agent.errors import TransientError

LOOK_EVERY_S = 0.5
SETTLE_WITHIN_S = 60.0
ACTS_PER_S = 4.0
OUTAGE_BEGINS, OUTAGE_ENDS = 0.35, 0.65
"""When the catalogue goes and comes back, as shares of the time there is."""
ROUND_S = 60.0
"""The time of one round where the play goes on until it is stopped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """How long it lives: ``seconds`` of live campus, or until it is stopped where None."""

    seconds: float | None
    seed: int


class Play:
    """One performance. ``perform`` gives the closing proof."""

    def __init__(self, place: Place, script: Script, screen: Screen) -> None:
        self._place = place
        self._script = script
        self._screen = screen
        self._catalogue = Catalogue(place)
        self._agent = Agent(place)
        self._watch = Watch(place)
        self._stop = threading.Event()
        self._outage = 0

    def perform(self) -> Proof:
        """From the first row to the proof; nothing it started is left running.

        Raises:
            TransientError: one of the processes did not do its part.
        """
        try:
            with _signals(self._stop):
                campus, life = self._open()
                self._live(life)
                self._settle()
            code = self._agent.stop()
            if code:
                raise TransientError(f"the agent ended with {code}: {self._agent.last_words()}")
            return prove(self._place, campus)
        finally:
            self._agent.stop(signal.SIGKILL)
            self._catalogue.stop(signal.SIGKILL)

    def _open(self) -> tuple[Campus, Life]:
        self._place.furnish()
        now = int(time.time())
        campus = create(self._place.moodle, born_at=now - (HISTORY_DAYS + 6) * DAY_S)
        life = Life(campus, seed=self._script.seed)
        life.history(until=now)
        self._screen.say(
            f"A campus with {len(campus.learners)} learners and {len(campus.courses)} courses, "
            f"{HISTORY_DAYS} days of its log already written: {self._place.directory}"
        )
        token = self._catalogue.prepare()
        self._catalogue.start()
        self._agent.enrol(token)
        self._agent.start()
        self._screen.say(f"The catalogue listens on 127.0.0.1:{self._place.port}, the agent has enrolled and reads.")
        return campus, life

    def _live(self, life: Life) -> None:
        still = threading.Event()
        living = threading.Thread(
            target=life.live, args=(still, lambda: int(time.time())), kwargs={"acts_per_s": ACTS_PER_S}, daemon=True
        )
        living.start()
        started = time.monotonic()
        try:
            while not self._stop.wait(LOOK_EVERY_S):
                passed = time.monotonic() - started
                if self._script.seconds is not None and passed >= self._script.seconds:
                    break
                self._look()
                self._stage(passed)
        finally:
            still.set()
            living.join()
            life.close()
        self._screen.say("The campus goes to sleep; waiting until every row is read and every entry acknowledged.")

    def _stage(self, passed: float) -> None:
        length = self._script.seconds or ROUND_S
        number, within = divmod(passed / length, 1.0)
        away = OUTAGE_BEGINS <= within < OUTAGE_ENDS
        if away and self._catalogue.running and self._outage <= number:
            self._outage = int(number) + 1
            self._catalogue.stop(signal.SIGKILL)
            self._screen.say("The catalogue is killed. Learners go on learning, the ledger goes on growing.")
        elif not away and not self._catalogue.running:
            self._back()

    def _back(self) -> None:
        self._catalogue.start()
        self._screen.say("The catalogue is back. What it missed is on its way.")

    def _look(self) -> Figures:
        if not self._agent.running:
            raise TransientError(f"the agent ended by itself: {self._agent.last_words()}")
        figures = self._watch.look()
        self._screen.show(figures)
        return figures

    def _settle(self) -> None:
        if not self._catalogue.running:
            self._back()
        until = time.monotonic() + SETTLE_WITHIN_S
        figures = self._look()
        while figures.behind or figures.acked < figures.entries:
            if not figures.behind and figures.trouble:
                self._agent.deliver_now()
            if time.monotonic() > until:
                raise TransientError(
                    f"after {SETTLE_WITHIN_S:.0f} s {figures.behind} rows are unread and "
                    f"{figures.entries - figures.acked} entries not acknowledged: {figures.trouble}",
                    hint=f"look into {self._place.logs}",
                )
            time.sleep(LOOK_EVERY_S)
            figures = self._look()
        self._screen.say(reasons(figures))


def name_of(place: Place) -> Callable[[str], str]:
    """A function from `moodle:35` to the person's name, as the campus knows it."""
    known: dict[str, str] = {}

    def name(learner: str) -> str:
        if not known and place.moodle.exists():
            with closing(sqlite3.connect(f"file:{place.moodle}?mode=ro", uri=True)) as db:
                rows = db.execute("SELECT id, firstname || ' ' || lastname FROM mdl_user")
                known.update((f"{SOURCE}:{user}", text.strip()) for user, text in rows)
        return known.get(learner, learner or "nobody")

    return name


@contextmanager
def _signals(stop: threading.Event) -> Iterator[None]:
    """Ctrl-C and SIGTERM close the play in order instead of tearing it down."""

    def closing_time(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    before = {number: signal.signal(number, closing_time) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
