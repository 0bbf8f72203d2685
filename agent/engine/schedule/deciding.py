"""From who reached what to verdicts: a prize is an event of its own, judged by the same quotas as everything. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from agent.config.grammar import Number
from agent.engine import trust
from agent.engine.evaluate import Verdict, places
from agent.engine.rulebook import Payee, Rulebook, Timed, once
from agent.engine.schedule.compiling import KIND, RUN, SOURCE
from agent.engine.timing.timetable import run_name, utc
from agent.model import Event, Evidence, Observation, Posting, Trust


@dataclass(frozen=True, slots=True, kw_only=True)
class Winner:
    """Who gets something from a run: ``place`` from 1 (0 where there are none), and from which places ``prizes``.

    ``anniversary`` is the number of years, which is then paid once ever.
    """

    learner: str
    value: Number
    place: int
    prizes: tuple[int, ...]
    postings: tuple[Posting, ...]
    anniversary: int = 0


def drawn(names: Iterable[str], values: Mapping[str, Number], timed: Timed) -> list[Winner]:
    """Who is drawn, in that order, with the prize of each; who is not among ``values`` has won and cannot be paid."""
    payees = timed.rule.payees
    return [
        Winner(
            learner=name,
            value=values[name],
            place=place + 1,
            prizes=(min(place, len(payees) - 1),),
            postings=payees[min(place, len(payees) - 1)].postings,
        )
        for place, name in enumerate(names)
        if name in values
    ]


def verdicts(winners: Iterable[Winner], timed: Timed, nominal: int, rulebook: Rulebook) -> list[Verdict]:
    """What the run says for each of them before the quotas are asked, in their order."""
    return [_verdict(winner, timed, nominal, rulebook) for winner in winners]


def _verdict(winner: Winner, timed: Timed, nominal: int, rulebook: Rulebook) -> Verdict:
    rule, payee = timed.rule, _payee(timed.rule.payees, winner)
    scope = f"anniversary={winner.anniversary}" if winner.anniversary else f"{RUN}={utc(nominal)}"
    quota = once(rule.spec, (scope.partition("=")[0],)).quota
    moment = rulebook.calendar.moment(nominal)
    return Verdict(
        event=event_of(winner, timed, nominal),
        rule=rule,
        payee=payee,
        calendar=rulebook.calendar,
        learner=winner.learner,
        reason="",
        hold=None,
        checks=(),
        scope=scope,
        places=places((quota, *payee.quotas), nominal, moment, scope, SOURCE),
        postings=winner.postings,
    )


def _payee(payees: Sequence[Payee], winner: Winner) -> Payee:
    """Who is paid from several places is counted by the quotas of all of them."""
    mine = [payees[number] for number in winner.prizes] or [payees[0]]
    if len(mine) == 1:
        return mine[0]
    quotas = {quota.meter: quota for payee in mine for quota in payee.quotas}
    paid = {"", *(posting.currency for posting in winner.postings)}
    kept = tuple(quota for quota in quotas.values() if quota.unit in paid)
    return Payee(role=mine[0].role, postings=winner.postings, own=mine[0].own, shared=mine[0].shared, quotas=kept)


def event_of(winner: Winner, timed: Timed, nominal: int) -> Event:
    """The event that stands for a prize, at the run's nominal time."""
    site, _, user = winner.learner.partition(":")
    name = f"anniversary {winner.anniversary}" if winner.anniversary else ""
    seen = Observation(
        source=SOURCE,
        site=site,
        position=nominal,
        lms_event=KIND,
        kind=KIND,
        people={"subject": user},
        natural_key=(SOURCE, run_name(timed.spec.id, nominal), winner.learner, name),
        occurred_at=nominal,
        evidence=Evidence.database_row,
        facts={
            "scheduled": timed.spec.id,
            "run": run_name(timed.spec.id, nominal),
            "value": winner.value,
            **({"place": winner.place} if winner.place else {}),
            **({"years": winner.anniversary} if winner.anniversary else {}),
        },
    )
    return trust.tag(seen, Trust.server_verified)
