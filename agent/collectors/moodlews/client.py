"""HTTP to Moodle's REST endpoint: one request at a time, paced, bounded; the token stands in the form, nowhere else."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any

import orjson

from agent.clock import Clock
from agent.collectors.exchange import Came, Exchange, Limits, LongAnswerError
from agent.collectors.moodlews.faults import NotToldError, fault_of
from agent.collectors.moodlews.options import WebServiceOptions
from agent.errors import ConfigError, RewardsError, TransientError
from agent.retry import retry_after_s

ENDPOINT = "/webservice/rest/server.php"
ANSWER_BYTES_MAX = 16 * 1024 * 1024
"""A larger answer is not read."""
REST_S = 30.0
"""How long nothing is asked after a fault of the whole site, where the site does not say."""
REST_S_MAX = 900.0
_BUSY = frozenset({429, 502, 503, 504})
_FORBIDDEN = 403
_ABSENT = 404
_OK = 200
_HEADERS: Mapping[str, str] = {"Accept-Encoding": "identity"}
"""What is not packed cannot be larger than it looks."""
_REDIRECTED = range(300, 400)

Parameter = int | str | bool | list["Parameter"] | dict[str, "Parameter"]
"""What a function takes; Moodle's form has `courseids[0]=7` for lists and `options[0][name]=…` for tables in them."""


class WebService:
    """One site. Made without a loop, connected at the first request, ended by `close`; shared by all who ask it."""

    def __init__(
        self,
        options: WebServiceOptions,
        clock: Clock,
        *,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self.options = options
        self.requests = 0
        self._clock = clock
        limits = Limits(
            name=options.place,
            hint=_LATER,
            requests_per_s=options.requests_per_s,
            answer_s_max=options.timeout_s,
            answer_bytes_max=ANSWER_BYTES_MAX,
            ca_file=options.ca_file,
        )
        self._exchange = Exchange(limits, clock, sleep=sleep)
        self._rests_until = 0.0
        self._trouble: RewardsError | None = None

    @property
    def trouble(self) -> RewardsError | None:
        """Why nothing is asked now; None where it is asked."""
        return self._trouble if self._clock.running() < self._rests_until else None

    async def call(self, function: str, **parameters: Parameter) -> Any:
        """What a function answers.

        Raises:
            NotToldError: it is refused, or there is no such thing.
            TransientError: the site does not answer, or wants to be left alone for a while.
            ConfigError: the token, the service or the address is wrong.
        """
        async with self._exchange.alone():
            if (trouble := self.trouble) is not None:
                raise trouble
            try:
                return await self._asked(function, parameters)
            except NotToldError:
                raise
            except (TransientError, ConfigError) as error:
                self._rest(error, REST_S)
                raise

    async def close(self) -> None:
        """Let go of connections; may be called twice."""
        await self._exchange.close()

    def _rest(self, error: RewardsError, seconds: float) -> None:
        self._trouble = error
        self._rests_until = max(self._rests_until, self._clock.running() + min(seconds, REST_S_MAX))

    async def _asked(self, function: str, parameters: Mapping[str, Parameter]) -> Any:
        form = {
            "wstoken": self.options.token().reveal().strip(),
            "wsfunction": function,
            "moodlewsrestformat": "json",
            **dict(_fields(parameters)),
        }
        self.requests += 1
        try:
            came = await self._exchange.ask("POST", self.options.url + ENDPOINT, headers=_HEADERS, form=form)
        except LongAnswerError:
            raise NotToldError(function, "answertoolarge") from None
        self._judge_status(came)
        return _read(function, came.body, self.options.place)

    def _judge_status(self, answer: Came) -> None:
        place, status = self.options.place, answer.status
        if status == _OK:
            return
        if status in _REDIRECTED:
            raise ConfigError(f"{place}: the site answers from another address", hint="write that one: url = …")
        if status == _FORBIDDEN:
            raise ConfigError(
                f"{place}: the site answers 403",
                hint="switch on web services and the protocol REST, and see whether a firewall keeps us out",
            )
        if status in _BUSY:
            error = TransientError(f"{place}: the site answers {status}", hint=_LATER)
            asked = retry_after_s(answer.headers.get("retry-after"), self._clock.now())
            self._rest(error, REST_S if asked is None else asked)
            raise error
        raise TransientError(f"{place}: the site answers {status}", hint=_NO_MOODLE if status == _ABSENT else _LATER)


_NO_MOODLE = "is url the address of Moodle, with the folder that it stands in? it is asked again later"
_LATER = "nothing is lost: it is asked again later"


def _read(function: str, body: bytes, place: str) -> Any:
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise TransientError(
            f"{place}: what the site answers is not JSON", hint="is url the address of Moodle?"
        ) from None
    fault = fault_of(function, found, place)
    if fault is not None:
        raise fault
    return found


def _fields(parameters: Mapping[str, Parameter]) -> Iterator[tuple[str, str]]:
    for name, value in parameters.items():
        yield from _field(name, value)


def _field(name: str, value: Parameter) -> Iterator[tuple[str, str]]:
    if isinstance(value, bool):
        yield name, str(int(value))
    elif isinstance(value, int | str):
        yield name, str(value)
    else:
        inner = value.items() if isinstance(value, dict) else enumerate(value)
        for key, each in inner:
            yield from _field(f"{name}[{key}]", each)
