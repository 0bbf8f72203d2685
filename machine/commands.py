"""What holds of each command, whoever's: what is typed wrongly is told in plain words, and what the system says too."""

from __future__ import annotations

import codecs
import functools
import inspect
import io
import os
import pwd
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import typer

from machine.help import Told, ToldGroup
from machine.words import plain

F = TypeVar("F", bound=Callable[..., Any])


class Application(typer.Typer):
    """A command, or commands under one word, whose help is told so."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"cls": ToldGroup, "rich_markup_mode": None} | options)

    def command(self, name: str | None = None, **options: Any) -> Callable[[F], F]:
        """A decorator that makes a function a command; what it wants of `Options` is asked for one by one."""
        made = super().command(name, **{"cls": Command} | options)

        def add(function: F) -> F:
            made(spread(function))
            return function

        return add


class Command(Told):
    """A command that takes for a whole number only what is written as one: typer reads `1.000` as 1."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        parameters: list[Any] = self.params
        for one in parameters:
            if one.type_descriptor.annotation in (int, list[int]):
                one.process_value = functools.partial(_whole, one, one.process_value)


def _whole(parameter: Any, process: Callable[[Any, Any], Any], ctx: Any, value: Any) -> Any:
    for text in value if isinstance(value, list | tuple) else (value,):
        if isinstance(text, str) and "." in text:
            raise typer.BadParameter("write a whole number, without a point", ctx=ctx, param=parameter)
    return process(ctx, value)


class Options:
    """Base of what is made of options: each parameter of its constructor is one, with what typer is to know of it."""


def spread(command: Callable[..., None]) -> Callable[..., None]:
    """A command whose parameters of a kind of `Options` are asked for as the options that they are made of.

    ``def show(campus: Campus, answer: Answer)`` is asked for its campus and for what `Answer` is made of, in the order
    in which the command names them.

    Raises:
        ValueError: two of its options have the same name.
    """
    signature = inspect.signature(command, eval_str=True)
    kinds = {one.name: one.annotation for one in signature.parameters.values() if _is_made(one.annotation)}
    if not kinds:
        return command
    parts = {name: inspect.signature(kind, eval_str=True).parameters for name, kind in kinds.items()}

    @functools.wraps(command)
    def run(**typed: Any) -> None:
        for name, kind in kinds.items():
            typed[name] = kind(**{part: typed.pop(part) for part in parts[name]})
        command(**typed)

    asked = [
        part.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        for one in signature.parameters.values()
        for part in (parts[one.name].values() if one.name in parts else (one,))
    ]
    run.__signature__ = signature.replace(parameters=asked)  # type: ignore[attr-defined]
    run.__annotations__ = {one.name: one.annotation for one in asked}
    return run


def _is_made(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, Options)


class PlainGroup(ToldGroup):
    """A program's first word and all below it; what does not fit an option is told in plain words."""

    def make_context(self, *args: Any, **extra: Any) -> Any:
        """Read the words that were typed; `--help` and `--version` are answered here."""
        with answering():
            return super().make_context(*args, **extra)

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was asked for."""
        try:
            with answering():
                return super().invoke(ctx)
        except typer.BadParameter as error:
            error.message = plain(error.message)
            raise


@contextmanager
def answering() -> Iterator[None]:
    """Inside, an answer that nobody reads to its end (`| head`) ends with 0, and what the system refuses is told: 1."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        raise _seen_enough() from None
    except SystemExit as ended:  # how the library that prints help ends on a pipe
        if not isinstance(ended.__context__, BrokenPipeError):
            raise
        raise _seen_enough() from None
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        advice = cure(error)
        typer.echo(f"{where}{error.strerror or error}" + (f"\n  {advice}" if advice else ""), err=True)
        stop_writing()
        raise typer.Exit(1) from None


def _seen_enough() -> typer.Exit:
    stop_writing()
    return typer.Exit(0)


def stop_writing() -> None:
    """Let what is left of an answer go nowhere: whoever reads has seen enough, or there is no room for it."""
    if sys.__stdout__ is not None and sys.stdout is sys.__stdout__:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.__stdout__.fileno())
        os.close(nowhere)


def open_what_is_closed() -> None:
    """Give standard streams that were closed (`>&-`) a place to go, before a file is opened under their number."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), mode, closefd=False))


def speak_any_script() -> None:
    """Let every letter be told, whatever the locale: what goes into a file or a pipe is UTF-8, as it is promised.

    A terminal of another encoding shows a question mark for a letter that it has not.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and codecs.lookup(stream.encoding).name != "utf-8":
            if stream.isatty():
                stream.reconfigure(errors="replace")
            else:
                stream.reconfigure(encoding="utf-8", errors="backslashreplace")


def cure(error: OSError) -> str:
    """What helps against what the system says."""
    if isinstance(error, PermissionError):
        owner = _owner(error.filename)
        return "run this as the user that the service runs as" + (f": runuser -u {owner} -- …" if owner else "")
    if isinstance(error, FileNotFoundError):
        return "check the path"
    return "" if error.strerror is None else "the system says so: free the space, the port or the file, and try again"


def confirmed(question: str) -> None:
    """Go on where somebody says yes.

    Raises:
        typer.Abort: somebody said no.
        typer.Exit: nobody is there to be asked (2), which is told.
    """
    try:
        agreed = typer.confirm(question, err=True)
    except typer.Abort:
        if sys.stdin.isatty():
            raise
        typer.echo("\nnothing was done: nobody is here to confirm it; add --yes", err=True)
        raise typer.Exit(2) from None
    if not agreed:
        raise typer.Abort


def _owner(path: object) -> str:
    """Whose that is which stands nearest above a path and may be looked at; empty where it is ours, or root's."""
    if not isinstance(path, str | os.PathLike):
        return ""
    place = Path(path).absolute()
    for part in (place, *place.parents):
        with suppress(OSError, KeyError):
            number = part.stat().st_uid
            return "" if number in {0, os.geteuid()} else pwd.getpwuid(number).pw_name
    return ""
