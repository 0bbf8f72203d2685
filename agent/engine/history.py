"""What an award of old takes from today's quotas: the history that a new quota begins with. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from agent.engine.evaluate import places
from agent.engine.quota import AWARDS, Quota
from agent.engine.rulebook import BADGE, Payee, Rulebook
from agent.model import Use


def uses_of(
    rulebook: Rulebook, rule_id: str, learner: str, occurred_at: int, amounts: Mapping[str, int], source: str = ""
) -> Iterable[Use]:
    """The uses that an award of old takes from today's quotas, `once:` ones left out.

    ``amounts`` are what was paid per currency, ``source`` is whose act it was. A rule that no
    longer exists still counts in caps over all rules. Entries do not tell the recipient's role: where a rule has
    several, the one whose currencies fit is taken.
    """
    moment = rulebook.calendar.moment(occurred_at)
    counted = {AWARDS: 1, **amounts}
    return tuple(
        quota.use(bucket, learner, occurred_at, counted[quota.unit])
        for quota, bucket in places(_quotas_for(rulebook, rule_id, amounts), occurred_at, moment, "", source)
        if counted.get(quota.unit, 0) > 0
    )


def _quotas_for(rulebook: Rulebook, rule_id: str, amounts: Mapping[str, int]) -> tuple[Quota, ...]:
    rule = rulebook.paying(rule_id)
    if rule is None:
        return _once_each(rulebook.shared(None))
    paid = set(amounts)
    fitting = [payee for payee in rule.payees if paid == _currencies(payee)]
    chosen = fitting[0] if fitting else rule.payees[0]
    return _once_each((*chosen.own, *chosen.shared))


def _currencies(payee: Payee) -> set[str]:
    return {posting.currency for posting in payee.postings if not posting.currency.startswith(BADGE)}


def _once_each(quotas: Iterable[Quota]) -> tuple[Quota, ...]:
    return tuple({quota.meter: quota for quota in quotas}.values())
