"""Becoming known, pinning the right catalogue, and changing the key."""

from __future__ import annotations

import pytest

from agent.errors import ConfigError, IntegrityError, InvalidInputError, TransientError
from agent.ledger import delivery
from agent.outbox.enrol import Wish, enrol, rotate
from agent.outbox.key_file import new_key
from agent.outbox.sync import Step
from tests.fakes import FakeCatalogue, ManualClock, Mood
from tests.integration.outbox.conftest import points
from tests.outboxes import Delivering
from tests.wire_builders import CAMPUS
from wire import keys
from wire.enrolment import Token


async def test_enrolment_pins_the_key_that_the_token_names(fake: FakeCatalogue, agent: Delivering) -> None:
    elsewhere = Token(secret=Token.parse(await fake.add_tenant(CAMPUS)).secret, catalogue_fingerprint="ab" * 16)
    with pytest.raises(IntegrityError, match="not the one this token is from"):
        await again(agent, fake, elsewhere.text())
    with pytest.raises(InvalidInputError, match="not an enrolment token"):
        await again(agent, fake, "nonsense")
    assert agent.standing()["agent"] == "agent-1"


async def again(agent: Delivering, fake: FakeCatalogue, token: str) -> None:
    """Enrol once more."""
    client, clock = agent.client, ManualClock()
    wish = Wish(campus=CAMPUS, environment="production", url=fake.url)
    await enrol(token, wish, client=client, writer=agent.writer, data_dir=agent.data_dir, clock=clock)


async def test_a_delivered_ledger_does_not_take_another_name(agent: Delivering, fake: FakeCatalogue) -> None:
    await agent.write(2)
    assert await agent.drain()
    with pytest.raises(ConfigError, match="paid again") as caught:
        await again(agent, fake, await fake.add_tenant(CAMPUS))
    assert "--agent agent-1" in caught.value.hint
    key_file = agent.data_dir / "agent.ed25519"
    key_file.unlink()
    new_key(key_file)
    await again(agent, fake, await fake.add_tenant(CAMPUS, agent="agent-1"))
    await agent.write(2)
    assert await agent.drain()
    assert await points(fake) == 40
    assert agent.standing()["epoch"] == fake.books[CAMPUS, "agent-1"].epoch == 2


async def test_a_used_token_and_a_dead_catalogue_are_told_apart(agent: Delivering, fake: FakeCatalogue) -> None:
    token = await fake.add_tenant(CAMPUS)
    fake.tokens[CAMPUS, Token.parse(token).digest()]["used_by"] = "somebody"
    with pytest.raises(ConfigError, match="403"):
        await again(agent, fake, token)
    fake.mood = Mood.error
    with pytest.raises(TransientError, match="500"):
        await again(agent, fake, token)


async def test_a_rotation_that_broke_off_is_finished_by_the_next_one(
    agent: Delivering, fake: FakeCatalogue, clock: ManualClock
) -> None:
    key_file = agent.data_dir / "agent.ed25519"
    before = keys.load(key_file)
    who = delivery.Identity(campus=CAMPUS, agent="agent-1", epoch=1, catalogue_public=fake.key.public)
    fake.mood = Mood.mute
    with pytest.raises(TransientError):
        await rotate(client=agent.client, key_file=key_file, who=who, clock=clock)
    assert keys.load(key_file).public == before.public
    await agent.write(1)
    fake.mood = Mood.normal
    assert await agent.step() is Step.failed, "the catalogue already took the new key"
    new = await rotate(client=agent.client, key_file=key_file, who=who, clock=clock)
    assert new.public == keys.load(key_file).public != before.public
    assert sorted(path.name for path in agent.data_dir.glob("agent.ed25519*")) == ["agent.ed25519"]
    assert await agent.drain()


async def test_the_answer_to_a_rotation_must_be_the_catalogues(
    agent: Delivering, fake: FakeCatalogue, clock: ManualClock
) -> None:
    key_file = agent.data_dir / "agent.ed25519"
    who = delivery.Identity(campus=CAMPUS, agent="agent-1", epoch=1, catalogue_public=fake.stranger.public)
    before = keys.load(key_file).public
    with pytest.raises(IntegrityError):
        await rotate(client=agent.client, key_file=key_file, who=who, clock=clock)
    assert keys.load(key_file).public == before
