"""The catalogue's tables. The campus comes first in every key, so that campuses can be spread over servers."""

from catalogue.schema.base import REVISION, metadata
from catalogue.schema.campus import agent, agent_key, batch, enrolment, entry, tenant
from catalogue.schema.keeping import sealed_person
from catalogue.schema.wallets import currency, ledger, level, movement, wallet

__all__ = [
    "REVISION",
    "agent",
    "agent_key",
    "batch",
    "currency",
    "enrolment",
    "entry",
    "ledger",
    "level",
    "metadata",
    "movement",
    "sealed_person",
    "tenant",
    "wallet",
]
