"""What goes wrong in a run: each kind is drawn or left out by the seed, and comes at times of its own."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random

from sim.keeper import Keeper
from sim.look import Seen, read_to
from sim.model import NEVER
from sim.months import Months
from sim.moodle import BEGAN
from sim.north import North
from sim.office import Office
from sim.operator import Operator
from sim.thanks import Thanks
from sim.world import World

KINDS = ("kill", "restart", "weather", "clock", "replay", "restore", "upkeep", "office", "centre")
SELDOM: Mapping[str, float] = {"cleanup": 0.25, "edits": 0.2, "upgrade": 0.25, "months": 0.1}
"""Kinds of few worlds, and of how many: where the log is not kept, less can be said of what is gone from it."""
KUDOS = "kudos"
"""The kind of those worlds that have them."""
OFTEN = 0.3
"""The most often that anything goes wrong: so many acts are followed by it."""
RARE = 0.3
"""How many of the second agent's disks are lost of those that might be."""


class Misfortune:
    """Draws faults. Which kinds there are is drawn first: a run with few kinds goes deeper than one with all.

    With ``only`` those are the kinds, and they come often.
    """

    def __init__(self, world: World, chance: Random, only: tuple[str, ...] = ()) -> None:
        self._world = world
        self._chance = chance
        self._kinds = [kind for kind in KINDS if chance.random() < 0.55]
        seldom = world.chance("seldom")
        self._kinds += [kind for kind, how_many in SELDOM.items() if seldom.random() < how_many]
        self._kinds += [KUDOS] * world.kudos
        self._operator = Operator(world, world.sidecar, chance)
        self._northern = Northern(world, world.north) if world.north is not None else None
        self._keeper = Keeper(world, chance)
        self._office = Office(world, chance)
        self._thanks = Thanks(world, world.chance("thanks"))
        self._months = Months(world, world.chance("months"))
        self._often = chance.choice((0.0, 0.05, 0.15, OFTEN))
        if only:
            self._kinds, self._often = list(only), OFTEN
        for program in (world.agent, world.centre):
            program.tears = chance.choice((0.0, 0.5, 1.0))
        if self._northern is not None:
            self._northern.often = self._often
        world.trace.say(f"misfortunes: {', '.join(self._kinds) or 'none'}; how often: {self._often}")

    async def maybe(self) -> None:
        """Something goes wrong, or nothing does."""
        if self._northern is not None:
            self._northern.maybe()
        if self._kinds and self._chance.random() < self._often:
            await {
                "kill": self._kill,
                "restart": self._restart,
                "weather": self._weather,
                "clock": self._clock,
                "replay": self._replay,
                "restore": self._restore,
                "upkeep": self._upkeep,
                "office": self._office.decide,
                "centre": self._centre,
                KUDOS: self._thanks.begin,
                "cleanup": self._cleanup,
                "edits": self._edits,
                "months": self._months.once,
                "upgrade": self._upgrade,
            }[self._chance.choice(self._kinds)]()

    async def looked_after(self) -> Seen | None:
        """The operator reads how delivery stands, follows the runbook, merges whom the agent may not, and reviews.

        Returns what the operator read last.
        """
        await self._keeper.done()
        await self._months.done()
        if self._northern is not None:
            await self._northern.operator.done()
        seen = await self._operator.done()
        if seen is not None:
            await self._office.work(seen)
            await self._operator.merge(seen.held if self._world.linked else ())
        return seen

    def is_idle(self, seen: Seen | None) -> bool:
        """Whether the office has nothing left to do."""
        return seen is not None and self._office.is_idle(seen)

    async def hurried(self) -> None:
        """The operators do not wait any longer."""
        await self._operator.hurry()
        if self._northern is not None:
            await self._northern.operator.hurry()

    async def over(self) -> None:
        """Calm weather, right clocks."""
        self._world.network.weather.calm()
        for clock in self._world.clocks.values():
            clock.wrong_s = 0
        for program in self._world.programs:
            if program.runs:
                program.process.fuse = 0
        self._operator.mend_rules()
        await self._keeper.done()
        await self._months.done()
        await self._operator.done()
        if self._northern is not None:
            await self._northern.operator.done()
        self._world.trace.say("calm")

    async def _kill(self) -> None:
        program = self._chance.choice((self._world.agent, self._world.agent, self._world.centre))
        calls = self._chance.choice((0, 3, 10, 40, 200))
        within = self._chance.randrange(calls) + 1 if calls else 0
        self._world.trace.fault(f"kill {program.name}", f"within {within} calls")
        if within:
            program.kill_within(within)
        else:
            program.kill()

    async def _restart(self) -> None:
        program = self._chance.choice((self._world.agent, self._world.centre))
        self._world.trace.fault(f"restart {program.name}")
        program.stop()

    async def _weather(self) -> None:
        draw, weather = self._chance, self._world.network.weather
        weather.refused = draw.choice((0.0, 0.0, 0.3, 1.0))
        weather.cut = draw.choice((0.0, 0.0, 0.05, 0.3))
        weather.late = draw.choice((0.0, 0.1, 0.5))
        weather.late_s_max = draw.choice((0.1, 3.0, 70.0))
        weather.lost = draw.choice((0.0, 0.0, 0.05))
        weather.garbled = draw.choice((0.0, 0.0, 0.1))
        self._world.trace.fault("weather", str(weather))

    async def _clock(self) -> None:
        name = self._chance.choice(tuple(self._world.clocks))
        clock = self._world.clocks[name]
        most = self._chance.choice((5, 200, 4_000, 80_000))
        clock.wrong_s = self._chance.choice((0, self._chance.randrange(-most, most)))
        self._world.trace.fault(f"clock of {name} jumps", f"to {clock.wrong_s} s")

    async def _restore(self) -> None:
        """Backups now, or something that makes one needed; one disaster at a time."""
        operator, keeper = self._operator, self._keeper
        if self._chance.random() < 0.5:
            operator.back_up()
            await keeper.back_up()
        elif not (operator.busy or keeper.busy):
            self._chance.choice((keeper.put_back, operator.put_back_agent, operator.lose_agent))()

    async def _upkeep(self) -> None:
        """What administrators do on any day, while everything else goes on."""
        operator = self._operator
        doing = self._chance.choice((operator.edit_rules, operator.add_rule, operator.rotate_key, operator.rebuild))
        await doing()

    async def _upgrade(self) -> None:
        if not (self._operator.busy or self._keeper.busy):
            self._operator.upgrade()

    async def _edits(self) -> None:
        self._operator.edit_between_pages()

    async def _cleanup(self) -> None:
        """Moodle's cron removes what is older than so much, read or not."""
        world, age_s = self._world, self._chance.choice((2, 2, 3, 10, 40))  # an act is told up to 2 s late
        if world.bonus:
            return
        position, gaps = read_to(world.agent.home)

        def is_read(number: int) -> bool:
            return number <= position and not any(first <= number <= last for first, last in gaps)

        unread = world.moodle.clean(int(BEGAN + world.loop.time()) - age_s, is_read)
        world.trace.fault("log cleaned", f"of what is older than {age_s} s, unread: {unread}")
        if unread:
            world.trace.fault("rows removed unread")
        # A hole behind a row that is there, or that comes late, looks like one that a transaction left.
        others = [*(row["id"] for row in world.moodle.rows()), *world.moodle.waiting]
        next_ones = [number for number in unread if number > position]
        world.lost |= bool(position and next_ones) and min(others, default=NEVER) > min(next_ones)

    async def _centre(self) -> None:
        """What the catalogue's operator does, while everything else goes on."""
        doing = (self._keeper.rotate_key, self._keeper.limit, self._keeper.release, self._keeper.revoke)
        await self._chance.choice(doing)()

    async def _replay(self) -> None:
        taped = self._world.network.taped
        if taped:
            self._world.trace.fault("batches sent again")
            await self._world.network.replay(self._world.loop, bytes(self._chance.choice(taped)))


class Northern:
    """What goes wrong at the campus's second agent, with draws of its own, where anything goes wrong at all."""

    def __init__(self, world: World, north: North) -> None:
        self._trace = world.trace
        self._sidecar = north.sidecar
        self._chance = world.chance("misfortune in the north")
        self.operator = Operator(world, north.sidecar, self._chance)
        self.often = 0.0

    def maybe(self) -> None:
        """Something goes wrong, or nothing does."""
        if self._chance.random() < self.often:
            self._chance.choice((self._kill, self._stop, self._back_up, self._lose, self._put_back))()

    def _kill(self) -> None:
        calls = self._chance.choice((3, 40, 200))
        self._trace.fault("kill a second agent", f"within {calls} calls")
        self._sidecar.program.kill_within(self._chance.randrange(calls) + 1)

    def _stop(self) -> None:
        self._trace.fault("restart a second agent")
        self._sidecar.program.stop()

    def _back_up(self) -> None:
        self.operator.back_up()

    def _lose(self) -> None:
        if not self.operator.busy and self._chance.random() < RARE:
            self.operator.lose_agent()

    def _put_back(self) -> None:
        if not self.operator.busy and self._chance.random() < RARE:
            self.operator.put_back_agent()
