"""The catalogue's tables. The campus comes first in every key, so that campuses can be spread over servers."""

from catalogue.schema.acts import act, act_head
from catalogue.schema.api import api_token
from catalogue.schema.base import REVISION, metadata
from catalogue.schema.campus import agent, agent_key, batch, batch_key, enrolment, entry, tenant
from catalogue.schema.finance import archived_chain, archived_month, carried_wallet, closed_month, month_line
from catalogue.schema.funding import budget, budget_alert, issue_limit, policy, spending
from catalogue.schema.people import (
    UNCOPIED,
    erased_from,
    link,
    link_apart,
    link_change,
    link_head,
    link_held,
    name_register,
    person_name,
    person_tag,
    sealed_person,
    spend_leg,
)
from catalogue.schema.proof import accepted_entry, catalogue_key, site, statement_page
from catalogue.schema.recognition import (
    kudos_tag,
    liking,
    recognition,
    recognition_choice,
    recognition_head,
    recognition_policy,
    remark,
)
from catalogue.schema.redemption import allowance, redemption, step, wish
from catalogue.schema.rewards import code, label, offer, partner, reward
from catalogue.schema.wallets import currency, ledger, level, movement, movement_key, tier, wallet

__all__ = [
    "REVISION",
    "UNCOPIED",
    "accepted_entry",
    "act",
    "act_head",
    "agent",
    "agent_key",
    "allowance",
    "api_token",
    "archived_chain",
    "archived_month",
    "batch",
    "batch_key",
    "budget",
    "budget_alert",
    "carried_wallet",
    "catalogue_key",
    "closed_month",
    "code",
    "currency",
    "enrolment",
    "entry",
    "erased_from",
    "issue_limit",
    "kudos_tag",
    "label",
    "ledger",
    "level",
    "liking",
    "link",
    "link_apart",
    "link_change",
    "link_head",
    "link_held",
    "metadata",
    "month_line",
    "movement",
    "movement_key",
    "name_register",
    "offer",
    "partner",
    "person_name",
    "person_tag",
    "policy",
    "recognition",
    "recognition_choice",
    "recognition_head",
    "recognition_policy",
    "redemption",
    "remark",
    "reward",
    "sealed_person",
    "site",
    "spend_leg",
    "spending",
    "statement_page",
    "step",
    "tenant",
    "tier",
    "wallet",
    "wish",
]
