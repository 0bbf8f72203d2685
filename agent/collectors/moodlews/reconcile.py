"""The collector of what no post told: from time to time it walks through a site's courses and learners, gently."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from types import MappingProxyType

from agent.clock import Clock
from agent.collectors.logstore.draft import Kinds, drafts_of, observation_of
from agent.collectors.moodlews import shapes
from agent.collectors.moodlews.answers import ENROLLED, Answers
from agent.collectors.moodlews.client import WebService
from agent.collectors.moodlews.facts import look_up
from agent.collectors.moodlews.walking import copies, told
from agent.collectors.moodlews.walking.copies import Place
from agent.collectors.moodlews.walking.walk import Walk
from agent.collectors.numbers import exact
from agent.collectors.states.found import Found
from agent.collectors.states.tables import as_told
from agent.collectors.systems.moodle import RATED, SITE_COURSE
from agent.config.kinds import KindTable
from agent.config.ways_in import SUFFIX
from agent.engine.sighting.untold import COMPLETED, COMPLETION, GRADED
from agent.errors import TransientError
from agent.model import Demand, Evidence, Observation, Page, SourceState

LEARNERS_AT_ONCE = 20
"""Learners of one page: each costs up to three requests."""
HEARTBEAT_S = 60.0
"""How often a page tells that the source lives while there is nothing to read."""

_COUNTED: Mapping[copies.Verdict, str] = MappingProxyType(
    {"original": "states_seen", "doubtful": "states_doubtful", "copied": "states_copied"}
)

_OF_LEARNERS = frozenset({COMPLETION, COMPLETED, GRADED})
"""What is asked learner by learner."""
_OF_COMPLETION = frozenset({COMPLETION, COMPLETED})
"""What there is none of in a course without completion tracking: Moodle refuses to tell it, for ever."""

_Placed = tuple[Found, int | None]
"""A fact, and the activity that it stands in."""


class WebServiceStates:
    """What a site's web services tell of completions, grades and ratings; looked at every ``every_s``.

    Only what has stood for the source's ``gap_patience`` is looked at: its post may be on the way. A walk that was
    broken off is done again: what it told is recognised.

    What is refused to us is asked for again at each walk: what was told without it is shown again when it is known, and
    where nothing of a sort was told in a whole walk, all that happened since is looked at once it is.
    """

    def __init__(self, service: WebService, clock: Clock, kinds: Callable[[], KindTable], *, every_s: float) -> None:
        self._service = service
        self._options = service.options
        self._clock = clock
        self._kinds = kinds
        self._every_s = every_s
        self._answers = Answers(service, clock)
        self._listed: frozenset[int] = frozenset()

    @property
    def name(self) -> str:
        """The source's name and `/state`."""
        return self._options.name + SUFFIX

    async def pages(self, state: SourceState, demand: Callable[[], Demand], *, follow: bool) -> AsyncIterator[Page]:
        """Pages from where ``state`` says; see `Collector.pages`."""
        state = replace(state, fault="", start_at=self._begins(state))
        while True:
            async for page in self._walked(state, demand):
                state = page.state
                yield page
            if not follow:
                return
            until = self._clock.running() + self._every_s
            while (left := until - self._clock.running()) > 0:
                await asyncio.sleep(min(HEARTBEAT_S, left))
                yield self._page(state, demand(), (), caught_up=True)

    async def close(self) -> None:
        """The connection is closed by whoever made it."""

    def _begins(self, state: SourceState) -> int:
        if state.start_at is not None:
            return state.start_at
        configured = self._options.start_at
        return self._clock.now() if configured == "now" else 0 if configured == "beginning" else configured

    async def _walked(self, state: SourceState, demand: Callable[[], Demand]) -> AsyncGenerator[Page, None]:
        """One walk through every course. Only its last page moves the time up to which everything is looked at."""
        began = self._clock.now()
        patience = self._options.gap_patience_s
        walk = Walk(
            since=max((state.start_at or 0) - 1, state.high_water - 2 * patience), until=began - patience, state=state
        )
        self._answers.forget()
        courses = await self._answers.courses()
        if courses is None:
            raise TransientError(
                f"{self._options.place}: Moodle does not tell the courses",
                hint="add core_course_get_courses_by_field to the service, and let its user see the courses",
            )
        for course in self._listed - courses.keys():  # hidden from us, or deleted
            walk.refused(course, _sought(demand()))
        modules: set[int] = set()
        for course in sorted(courses.keys() - {SITE_COURSE}):
            there = await self._answers.modules(course)
            modules.update(there or ())
            async for page in self._course(walk, courses[course], demand):
                yield page
        self._listed = frozenset(courses)
        anchors = copies.marked(state.anchors, modules=modules, courses=courses, at=began)
        end = replace(walk.over(courses), anchors=anchors, high_water=max(state.high_water, walk.until))
        yield self._page(end, demand(), (), caught_up=True)

    async def _course(self, walk: Walk, about: shapes.Course, demand: Callable[[], Demand]) -> AsyncIterator[Page]:
        """What is new in one course, some learners a page."""
        wanted, course = demand(), about.id
        sorts = _OF_LEARNERS if about.tracks else _OF_LEARNERS - _OF_COMPLETION
        if walk.until > walk.since and not wanted.names.isdisjoint(sorts):
            self._answers.forget()
            learners = sorted(await self._answers.enrolled(course) or ())
            if ENROLLED in self._answers.lost:
                walk.refused(course, wanted.names & sorts)
            for first in range(0, len(learners), LEARNERS_AT_ONCE):
                wanted = demand()
                self._answers.forget()
                found = [
                    one
                    for learner in learners[first : first + LEARNERS_AT_ONCE]
                    for one in await self._of_learner(walk, course, learner, wanted.names & sorts)
                ]
                async for page in self._parted(walk, course, found, wanted):
                    yield page
        if walk.until > walk.since and RATED in _sought(wanted):
            self._answers.forget()
            found = await self._ratings(walk, course)
            if found:
                async for page in self._parted(walk, course, found, wanted):
                    yield page

    async def _parted(self, walk: Walk, course: int, found: Sequence[_Placed], demand: Demand) -> AsyncIterator[Page]:
        """What is new, and what is to be shown again, each in a page of its own."""
        new = [one for one in found if walk.is_new(one[0])]
        if new or self._clock.running() >= walk.told_at + HEARTBEAT_S:
            yield await self._told(walk, new, demand)
        older = [one for one in found if not walk.is_new(one[0])]
        if older and course in walk.blind:
            walk.unsure(one for one, _ in older)
        elif older:
            page = await self._told(walk, older, demand)
            walk.blind |= {course} if self._answers.lost else set()
            yield replace(page, again=True)

    async def _of_learner(self, walk: Walk, course: int, learner: int, sorts: Collection[str]) -> list[_Placed]:
        """What a learner did in a course within the time that is looked at, each with the activity it stands in."""
        found: list[Found] = []
        graded: Iterable[shapes.Graded] = ()
        before = self._answers.in_vain.copy()
        if COMPLETION in sorts:
            statuses = await self._answers.statuses(course, learner) or {}
            found.extend(told.completions(course, learner, statuses.values()))
        if COMPLETED in sorts:
            since = await self._answers.completed(course, learner)
            found.extend([told.course_completed(course, learner, since)] if since is not None else [])
        if GRADED in sorts:
            graded = (await self._answers.grades(course, learner) or {}).values()
            found.extend(told.grades(course, learner, graded))
        walk.asked((course, learner), sorts, self._answers.in_vain - before)
        return [(one, told.lesson_of(one, graded)) for one in found if walk.looks_at(one)]

    async def _ratings(self, walk: Walk, course: int) -> list[_Placed]:
        """The ratings of a course's posts within the time that is looked at."""
        found: list[_Placed] = []
        for forum in await self._answers.forums(course) or ():
            for discussion in await self._answers.discussions(forum.id):
                there = await self._answers.discussion(discussion)
                for post in sorted(there.rated):
                    for given in await self._answers.ratings(forum, post):
                        one = told.rating(course, forum, there.posts[post], given, there.words)
                        if one is not None and walk.looks_at(one):
                            found.append((one, forum.lesson))
        walk.asked((course, 0), {RATED}, self._answers.lost)
        return found

    async def _told(self, walk: Walk, found: Sequence[_Placed], demand: Demand) -> Page:
        """The page of what was found: copies put aside, the rest with what is looked up."""
        counts = Counter(walk.state.counts)
        kinds = Kinds(self._kinds())
        seen: list[Observation] = []
        told_of: list[Found] = []
        for one, lesson in found:
            if one.course is None:
                continue
            verdict = copies.verdict(Place(course=one.course, lesson=lesson), one.at, walk.state.anchors)
            counts[_COUNTED[verdict]] += one.at > walk.state.high_water
            if verdict == "copied":
                continue
            late = frozenset({0} if verdict == "doubtful" else ())
            for draft in drafts_of([one.row], kinds, demand.facts, start_at=0, backdated=late, seen=Counter()):
                as_told(draft, one)
                draft.position = walk.state.position + len(seen) + 1
                seen.append(self._observation(observation_of(draft, source=self.name, site=self._options.site), one))
                told_of.append(one)
        looked_up = await look_up(seen, demand, self._answers, self._kinds(), self._clock.now())
        if not looked_up.reached and (trouble := self._service.trouble) is not None:
            raise trouble  # the walk is done again: nobody else would look at these a second time
        if looked_up.refused:
            walk.unsure(told_of)
        walk.state = replace(
            walk.state, position=walk.state.position + len(seen), counts={name: n for name, n in counts.items() if n}
        )
        walk.told_at = self._clock.running()
        return self._page(walk.state, demand, looked_up.observations, caught_up=False)

    def _observation(self, seen: Observation, one: Found) -> Observation:
        facts = dict(seen.facts)
        if one.event == GRADED:
            facts["grade_item"] = str(one.id)
            grade = exact(one.state)
            if grade is not None:
                facts["grade"] = grade
        facts.update(one.facts)
        return replace(seen, natural_key=one.natural_key, evidence=Evidence.web_service, facts=facts)

    def _page(self, state: SourceState, demand: Demand, seen: Sequence[Observation], *, caught_up: bool) -> Page:
        return Page(
            source=self.name,
            observations=seen,
            state=state,
            rules_version=demand.rules_version,
            caught_up=caught_up,
            newest=state.position,
        )


def _sought(demand: Demand) -> frozenset[str]:
    """The sorts of acts that any rule waits for."""
    rated = any(fnmatchcase("forum.rated", pattern) for pattern in demand.patterns)
    return (demand.names & _OF_LEARNERS) | ({RATED} if rated else frozenset())
