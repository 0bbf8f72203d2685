"""Callbacks put together: addresses and secrets read, names from the rules in force."""

from __future__ import annotations

import contextlib

from agent.clock import Clock
from agent.config.document import MisfitError
from agent.config.secrets import Secret, read_secret
from agent.config.settings import Settings
from agent.config.tables.callback import CallbackSettings, address
from agent.engine.rulebook import Rulebook
from agent.errors import ConfigError
from agent.ledger.writer import Writer
from agent.outbox.callbacks.message import From, Known
from agent.outbox.callbacks.post import Address, Post
from agent.outbox.callbacks.reader import Callback
from agent.pipeline import Pipeline


async def callbacks_of(
    stack: contextlib.AsyncExitStack, settings: Settings, writer: Writer, pipeline: Pipeline, clock: Clock
) -> tuple[Callback, ...]:
    """A reader of the ledger for each `[[callback]]`, in its place; ``stack`` closes them.

    Raises:
        ConfigError: a secret or an address cannot be read.
    """
    made = tuple(
        Callback(
            callback,
            post=Post(callback_address(settings, callback)),
            writer=writer,
            data_dir=settings.agent.data_dir,
            sender=From(settings.agent.campus, settings.agent.environment),
            known=lambda: known_names(pipeline.rulebook),
            clock=clock,
        )
        for callback in settings.callbacks
    )
    for one in made:
        stack.push_async_callback(one.close)
        await one.begin()
    return made


def callback_address(settings: Settings, callback: CallbackSettings) -> Address:
    """Where a callback goes, with its secrets read.

    Raises:
        ConfigError: a secret is missing, others may read it, or a file holds no address.
    """
    url = callback.url
    if callback.url_file is not None:
        try:
            url = address(read_secret(settings.home, callback.url_file).reveal(), callback)
        except MisfitError as error:
            raise ConfigError(f"{callback.url_file}: {error.message}", hint=error.hint) from None
    return Address(
        url=Secret(url or ""),
        secrets=tuple(read_secret(settings.home, name) for name in callback.secret_files),
        proxy=callback.proxy,
        ca_file=callback.ca_file,
    )


def known_names(rulebook: Rulebook) -> Known:
    """What the rules call things."""
    rules = rulebook.by_id()
    return Known(
        titles={name: rule.spec.title for name, rule in rules.items()},
        groups={name: rule.spec.group for name, rule in rules.items() if rule.spec.group},
        steps={made.spec.id: len(made.spec.step) for made in rulebook.challenges},
        levels=rulebook.levels,
        currencies=rulebook.currencies,
    )
