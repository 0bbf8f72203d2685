"""What an award of old takes from today's quotas: the history that a new quota begins with. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date

from agent.engine.evaluate import places
from agent.engine.quota import AWARDS, Quota
from agent.engine.rulebook import BADGE, Payee, Rulebook
from agent.model import Use


def uses_of(
    rulebook: Rulebook,
    rule_id: str,
    learner: str,
    occurred_at: int,
    amounts: Mapping[str, int],
    source: str = "",
    role: str = "",
) -> Iterable[Use]:
    """The uses that an award of old takes from today's quotas, `once:` ones left out.

    ``amounts`` are what was paid per currency, ``source`` is whose act it was, ``role`` that of the recipient, or empty
    where nobody knows it any more: then the recipient whose currencies fit is taken. A rule that no longer exists still
    counts in caps over all rules.
    """
    moment = rulebook.calendar.moment(occurred_at)
    counted = {AWARDS: 1, **amounts}
    return tuple(
        quota.use(bucket, learner, occurred_at, counted[quota.unit])
        for quota, bucket in places(_quotas_for(rulebook, rule_id, amounts, role), occurred_at, moment, "", source)
        if counted.get(quota.unit, 0) > 0
    )


def _quotas_for(rulebook: Rulebook, rule_id: str, amounts: Mapping[str, int], role: str) -> tuple[Quota, ...]:
    rule = rulebook.paying(rule_id)
    if rule is None:
        return _once_each(rulebook.shared(None))
    paid = set(amounts)
    theirs = [payee for payee in rule.payees if payee.role == role] or rule.payees
    fitting = [payee for payee in theirs if paid == _currencies(payee)]
    chosen = (fitting or theirs)[0]
    return _once_each((*chosen.own, *chosen.shared))


def periods(rulebook: Rulebook) -> Mapping[str, tuple[date, date]]:
    """The named periods in which limits and scopes of these rules count, with their first and last days."""
    pay = (*rulebook.rules, *(timed.rule for timed in rulebook.scheduled))
    quotas = (quota for rule in pay for payee in rule.payees for quota in payee.quotas)
    named = {name for quota in quotas for name in quota.windows}
    named |= {name for rule in pay for once in rule.onces.values() for name in once.names}
    return {name: span for name, span in rulebook.calendar.periods.items() if name in named}


def _currencies(payee: Payee) -> set[str]:
    return {posting.currency for posting in payee.postings if not posting.currency.startswith(BADGE)}


def _once_each(quotas: Iterable[Quota]) -> tuple[Quota, ...]:
    return tuple({quota.meter: quota for quota in quotas}.values())
