"""Which mapping and which signature belong to a `kind` of `[[source]]` that posts: the one place that knows them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from agent.collectors.systems import learnworlds, thinkific
from agent.collectors.systems.base import Signature, System
from agent.collectors.systems.canvas import Canvas
from agent.collectors.systems.generic import Generic
from agent.collectors.systems.kajabi import Kajabi
from agent.collectors.systems.learnworlds import LearnWorlds
from agent.collectors.systems.thinkific import Thinkific
from agent.collectors.systems.tool_trigger import ToolTrigger
from agent.collectors.systems.xapi.statements import Xapi

SYSTEMS: Mapping[str, System] = MappingProxyType(
    {
        "canvas": Canvas(),
        "generic": Generic(),
        "kajabi": Kajabi(),
        "learnworlds": LearnWorlds(),
        "thinkific": Thinkific(),
        "tool-trigger": ToolTrigger(),
        "xapi": Xapi(),
    }
)

SIGNATURES: Mapping[str, Signature] = MappingProxyType(
    {"learnworlds": learnworlds.is_signed, "thinkific": thinkific.is_signed}
)
"""How systems sign their posts; the others cannot."""

IDENTIFIES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "canvas": ("idnumber", "email", "username"),
        "generic": ("idnumber", "email", "username", "external_ids"),
        "kajabi": ("email",),
        "learnworlds": ("email",),
        "thinkific": ("email",),
        "xapi": ("email",),
    }
)
"""What the posts of a system can say of who somebody is; those of the others say nothing."""

SIGNED_IN: Mapping[str, str] = MappingProxyType({"thinkific": thinkific.HEADER})
"""The header that every signed post shows; a system that is not named may carry its signature in the body."""

TOKEN_IN_ADDRESS: frozenset[str] = frozenset({"canvas", "kajabi"})
"""Systems that can send nothing but a body: their token may stand in the address, as `?token=`."""
