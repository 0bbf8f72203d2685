"""The catalogue's tables. The campus comes first in every key, so that campuses can be spread over servers."""

from catalogue.schema.base import REVISION, metadata
from catalogue.schema.campus import agent, agent_key, batch, enrolment, entry, tenant
from catalogue.schema.keeping import sealed_person
from catalogue.schema.redemption import redemption, step
from catalogue.schema.rewards import code, label, offer, partner, reward
from catalogue.schema.wallets import currency, ledger, level, movement, wallet

__all__ = [
    "REVISION",
    "agent",
    "agent_key",
    "batch",
    "code",
    "currency",
    "enrolment",
    "entry",
    "label",
    "ledger",
    "level",
    "metadata",
    "movement",
    "offer",
    "partner",
    "redemption",
    "reward",
    "sealed_person",
    "step",
    "tenant",
    "wallet",
]
