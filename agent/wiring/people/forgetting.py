"""From the settings to what forgets."""

from __future__ import annotations

from agent.clock import Clock
from agent.config.settings import Settings
from agent.ledger.writer import Writer
from agent.pipeline import Pipeline
from agent.schedule.forgetting import Forgetting


def forgetting_of(settings: Settings, writer: Writer, pipeline: Pipeline, clock: Clock) -> Forgetting:
    """What forgets acts after `decisions_keep`, and after `payloads_keep` what nobody reads."""
    return Forgetting(
        writer,
        pipeline,
        clock,
        data_dir=settings.agent.data_dir,
        keep_s=settings.privacy.decisions_keep_s,
        posts_keep_s=settings.privacy.payloads_keep_s,
        posting=[source.name for source in settings.post_sources],
    )
