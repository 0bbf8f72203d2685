"""`rewards-agent run`: the agent at work, to the end of what is there or as a service."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import AsyncExitStack, contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agent.cli.frame import ConfigOption, run_async, settings_of
from machine.commands import Application
from machine.words import counted

if TYPE_CHECKING:
    from agent.arriving.tally import Tally
    from agent.config.settings import Settings
    from agent.model import Page
    from agent.wiring.agent import Agent

app = Application()
_TOLD_TO_STOP = "told to stop"


@app.command()
def run(
    config: ConfigOption = None,
    until_caught_up: Annotated[
        bool, typer.Option("--until-caught-up", help="End when everything that is there now is read and delivered.")
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log more.")] = False,
) -> None:
    """Read the sources, decide, record, deliver.

    Without --until-caught-up it runs until it is told to stop (SIGTERM); SIGHUP reads the rules again, as does a
    change of their files. Stop and start it as you like: nothing is lost and nothing is paid twice.

    Exit codes: 0 done; 1 the machine or the network must cure it; 2 an edit must; 3 a log is not the log it was.

    Example: rewards-agent run --until-caught-up
    """
    from agent import log

    log.start(verbose=verbose)
    settings = settings_of(config)
    raise typer.Exit(run_async(_run(settings, until_caught_up=until_caught_up)))


async def _run(settings: Settings, *, until_caught_up: bool) -> int:
    """The exit code. SIGTERM while files are still being opened closes them again: 0, as at any other time."""
    import asyncio
    import signal

    working = asyncio.create_task(_work(settings, until_caught_up=until_caught_up))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, working.cancel, _TOLD_TO_STOP)
    try:
        return await working
    except asyncio.CancelledError as exc:
        if exc.args != (_TOLD_TO_STOP,):
            raise
        return 0


async def _work(settings: Settings, *, until_caught_up: bool) -> int:
    """The exit code. The life of a service is written down before most of the program is loaded, which takes memory."""
    from agent.clock import SystemClock
    from agent.service.health.lives import life

    async with AsyncExitStack() as stack:
        if not until_caught_up:
            stack.enter_context(life(settings.agent.data_dir, SystemClock()))
        return await _worked(stack, settings, until_caught_up=until_caught_up)


async def _worked(stack: AsyncExitStack, settings: Settings, *, until_caught_up: bool) -> int:
    import structlog

    from agent.service import run as service
    from agent.wiring.health import watched
    from agent.wiring.keeping import beside, warn_of_short_keeping
    from agent.wiring.naming import warn_of_names
    from machine.interpreter import at_work

    logger = structlog.get_logger()
    agent = await _opened(stack, settings)
    stack.enter_context(at_work())
    _say_what_starts(agent, logger)
    if not until_caught_up:
        on_page, health = watched(agent)
        await stack.enter_async_context(beside(warn_of_short_keeping(settings)))
        await stack.enter_async_context(beside(warn_of_names(settings, agent.pipeline.rulebook, agent.writer)))
        code = await service.serve(
            agent.tails(on_page),
            agent.outbox,
            data_dir=settings.agent.data_dir,
            operations={**agent.operations.table(), **({"door.answers": agent.door.answers} if agent.door else {})},
            reload=agent.reload,
            watch=agent.watch,
            scheduling=agent.scheduler,
            listeners=[one for one in (agent.door, health) if one is not None],
            callbacks=agent.callbacks,
            pulls=agent.pulls,
            ending=agent.ending,
        )
    else:
        with _catching_up() as watch:
            code = await service.until_caught_up(
                agent.tails(watch.on_page),
                agent.outbox,
                agent.scheduler,
                agent.callbacks,
                agent.ending,
                agent.pulls,
            )
        if not code:
            await warn_of_names(settings, agent.pipeline.rulebook, agent.writer)
        watch.report(agent.pipeline.stands, whole=not code)
    logger.info("agent_stopped", code=code)
    return code


async def _opened(stack: AsyncExitStack, settings: Settings) -> Agent:
    """The agent, however long the opening of its ledger takes."""
    from agent.wiring.agent import opened
    from machine.notify import beginning

    async with beginning():
        return await stack.enter_async_context(opened(settings))


def _say_what_starts(agent: Agent, logger: Any) -> None:
    for warning in agent.warnings:
        logger.warning("rules_warning", warning=warning)
    if agent.not_active:
        logger.info("not_active_yet", settings=list(agent.not_active))
    logger.info(
        "agent_started",
        campus=agent.settings.agent.campus,
        mode=agent.settings.agent.mode,
        rules_version=agent.pipeline.rulebook.version[:12],
        sources=[source.name for source in agent.settings.sources],
    )


def reached(pages: Iterable[Page]) -> tuple[int, int]:
    """How many numbers of all sources are read, and how many there are to read: never fewer than are read."""
    read = [(page.state.position, max(page.newest, page.state.position)) for page in pages]
    return sum(position for position, _ in read), sum(newest for _, newest in read)


class Watch:
    """What a catch-up has come to, for the bar and the closing lines."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.outcomes: Counter[str] = Counter()
        self.sources: dict[str, Page] = {}
        self.advance: Any = None

    def on_page(self, page: Page, tally: Tally) -> None:
        """Count a page that is on disk."""
        self.sources[page.source] = page
        self.counts.update(events=tally.fresh, entries=tally.entries)
        self.outcomes.update({outcome.name: number for outcome, number in tally.outcomes.items()})
        if self.advance is not None:
            self.advance(self)

    def report(self, stands: Any, *, whole: bool) -> None:
        """The closing lines on standard error; ``whole`` where every source was read to its end."""
        from agent.ledger.sources import awaited

        came = [f"{number} {name}" for name, number in sorted(self.outcomes.items())]
        decided = ", ".join(came) or ("nothing new" if whole else "nothing decided")
        short = "" if whole else "; not all could be read: why is told above"
        events = counted(self.counts["events"], "new event")
        entries = counted(self.counts["entries"], "entry", "entries")
        sys.stderr.write(f"{events}, {entries}; {decided}{short}\n")
        for name in self.sources:
            state = stands(name)
            missing, over, step = awaited(state.gaps)
            told = f"; {counted(missing, 'id is', 'ids are')} missing and watched for" if missing else ""
            told += f"; ids grow by {step}" if over else ""
            sys.stderr.write(f"{name}: read to {state.position}{told}\n")


@contextmanager
def _catching_up() -> Iterator[Watch]:
    watch = Watch()
    if not sys.stderr.isatty():
        yield watch
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[told]}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("catching up", total=None, told="")

        def advance(now: Watch) -> None:
            position, newest = reached(now.sources.values())
            told = f"{position:,} of {newest:,} ids, {now.counts['entries']:,} entries"
            progress.update(task, completed=position, total=newest or None, told=told)

        watch.advance = advance
        yield watch
