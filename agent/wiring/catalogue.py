"""The road to the catalogue put together, where one is configured."""

from __future__ import annotations

import contextlib
from functools import partial

from agent.chance import Chance
from agent.clock import Clock
from agent.config.settings import Settings
from agent.ledger.writer import Writer
from agent.outbox.bothways import BothWays
from agent.outbox.people.naming import Naming
from agent.outbox.people.telling import Telling
from agent.outbox.recognising.asking import Asking
from agent.outbox.recovery.box import read_lock
from agent.outbox.redeeming.desk import Redeeming
from agent.outbox.redeeming.talk import Talk
from agent.outbox.statement.feed import Feed
from agent.outbox.sync import Outbox
from agent.wiring.enrolling import client_of
from agent.wiring.people.belonging import tellers_of
from agent.wiring.people.linking import kin_of
from agent.wiring.people.naming import calls_of

AT_THE_COUNTER_S = 10.0
"""How long somebody who redeems waits for what is on its way, in seconds."""


async def road_to_catalogue(
    stack: contextlib.AsyncExitStack, settings: Settings, writer: Writer, clock: Clock, chance: Chance
) -> BothWays | None:
    """Delivery and its way back; ``stack`` closes both. None without a catalogue."""
    there, back, counter, beside, thanks, called = (client_of(settings, clock) for _ in range(6))
    if there is None or back is None or counter is None or beside is None or thanks is None or called is None:
        return None
    data_dir = settings.agent.data_dir
    outbox = Outbox(
        writer=writer,
        data_dir=data_dir,
        client=there,
        environment=settings.agent.environment,
        clock=clock,
        sites=sorted({source.site_name for source in settings.log_sources}),
        lock=read_lock(settings.recovery_file),
        jitter=chance.jitter,
    )
    feed = Feed(writer=writer, data_dir=data_dir, client=back, clock=clock, jitter=chance.jitter)
    redeeming = Redeeming(
        talk=Talk(counter, writer, clock),
        writer=writer,
        data_dir=data_dir,
        clock=clock,
        deliver=partial(outbox.drain, limit_s=AT_THE_COUNTER_S),
        hear=partial(feed.drain, limit_s=AT_THE_COUNTER_S),
        secret=chance.secret,
        tellers=tellers_of(stack, settings, clock),
    )
    people = Telling(client=beside, writer=writer, data_dir=data_dir, clock=clock, kin=kin_of(settings))
    asking = Asking(
        talk=Talk(thanks, writer, clock),
        data_dir=data_dir,
        deliver=partial(outbox.drain, limit_s=AT_THE_COUNTER_S),
        secret=chance.secret,
    )
    names = Naming(client=called, writer=writer, data_dir=data_dir, clock=clock, calls=calls_of(stack, settings, clock))
    road = BothWays(outbox, feed, redeeming, people, names, asking)
    stack.push_async_callback(road.close)
    return road
