"""The way to the catalogue: the client as configured, and becoming known to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from agent.clock import Clock
from agent.config.settings import Settings
from agent.errors import ConfigError
from agent.ledger import delivery, file
from agent.ledger.writer import Writer
from agent.outbox import enrol
from agent.outbox.client import Client, Place


def client_of(settings: Settings, clock: Clock) -> Client | None:
    """The way to the configured catalogue, or None where there is none."""
    catalogue = settings.catalogue
    if catalogue is None:
        return None
    place = Place(
        url=str(catalogue.url), proxy=str(catalogue.proxy) if catalogue.proxy else None, ca_file=catalogue.ca_file
    )
    return Client(place, key_file=settings.key_file, clock=clock)


class Enrolling:
    """Becoming known to the catalogue, and changing the key that it knows; ``forget`` what was read of the epoch."""

    def __init__(self, settings: Settings, writer: Writer, clock: Clock, forget: Callable[[], None]) -> None:
        self._settings = settings
        self._writer = writer
        self._clock = clock
        self._forget = forget

    async def enrol(self, token: str) -> Mapping[str, Any]:
        """See `outbox.enrol.enrol`."""
        settings = self._settings
        client = client_of(settings, self._clock)
        if client is None or settings.catalogue is None:
            raise ConfigError(f"{settings.path} has no [catalogue]", hint="add it, then enrol")
        async with client:
            wish = enrol.Wish(
                campus=settings.agent.campus,
                environment=settings.agent.environment,
                url=str(settings.catalogue.url),
            )
            answer, begun = await enrol.enrol(
                token,
                wish,
                client=client,
                writer=self._writer,
                data_dir=settings.agent.data_dir,
                clock=self._clock,
                forget=self._forget,
            )
        return {"campus": answer.campus, "agent": answer.agent, **asdict(begun)}

    async def rotate(self) -> Mapping[str, Any]:
        """See `outbox.enrol.rotate`."""
        settings = self._settings
        client = client_of(settings, self._clock)
        if client is None or settings.catalogue is None:
            raise ConfigError(f"{settings.path} has no [catalogue]", hint="add it, then enrol")
        async with file.connect_for_reading(settings.agent.data_dir) as connection:
            who = await delivery.identity(connection)
        if who is None:
            raise ConfigError("this agent is not enrolled yet", hint="run: rewards-agent enrol TOKEN")
        async with client:
            key = await enrol.rotate(client=client, key_file=settings.key_file, who=who, clock=self._clock)
        await self._writer.run(delivery.keep_settings({delivery.AGENT_KEY: key.fingerprint}))
        return {"public_key": key.public.hex(), "fingerprint": key.fingerprint}
