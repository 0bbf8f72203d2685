"""A network in memory for real protocols: connections are refused, late, cut in the middle or lead nowhere, by seed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from random import Random
from typing import Any

from sim.machine import whose
from sim.trace import Trace

Address = tuple[str, int]


@dataclass(slots=True)
class Weather:
    """How likely what is, for each connection or write; all nought is calm."""

    refused: float = 0.0
    cut: float = 0.0
    late: float = 0.0
    late_s_max: float = 0.0
    lost: float = 0.0
    garbled: float = 0.0
    """Of what goes to the catalogue and comes from it: nobody signs what systems post to an agent."""

    def calm(self) -> None:
        """Nothing happens any more."""
        self.refused = self.cut = self.late = self.late_s_max = self.lost = self.garbled = 0.0


@dataclass(slots=True)
class Network:
    """Who listens where. ``taped`` are the bytes of the newest connections to ``tape_port``, for a replay."""

    chance: Random
    trace: Trace
    weather: Weather = field(default_factory=Weather)
    tape_port: int = 0
    taped: list[bytearray] = field(default_factory=list)
    _listening: dict[Address, tuple[Callable[[], Any], Context]] = field(default_factory=dict)
    _aimed: dict[int, Address] = field(default_factory=dict)
    _ports: int = 40_000

    def aim(self, sock: Any, address: Any) -> None:
        """Remember where a socket is to lead, which itself stays unconnected."""
        self._aimed[sock.fileno()] = (address[0], address[1])

    def listen(self, factory: Callable[[], Any], address: Address) -> Server:
        """Take connections at an address for the process that is running."""
        if address[1] == 0 and not address[0].startswith("/"):
            self._ports += 1
            address = (address[0], self._ports)
        self._listening[address] = (factory, copy_context())
        return Server(self, address)

    def leave(self, address: Address) -> None:
        """Take no more there."""
        self._listening.pop(address, None)

    async def connect(self, loop: asyncio.AbstractEventLoop, factory: Callable[[], Any], sock: Any) -> tuple[Wire, Any]:
        """A connection to where ``sock`` was aimed; OSError as a real one."""
        address = self._aimed.pop(sock.fileno())
        sock.close()
        await asyncio.sleep(0.0002 + self.chance.random() * 0.001)
        found = self._listening.get(address)
        there = whose(found[1]) if found is not None else None
        if found is None or (there is not None and there.dead) or self._happens("refused", self.weather.refused):
            raise ConnectionRefusedError(111, f"refused at {address[1]}")
        here = self._end(loop, factory(), copy_context(), ("10.0.0.1", self._next_port()), address)
        other = self._end(loop, found[0](), found[1].copy(), address, here.address)
        here.other, other.other = other, here
        if address[1] == self.tape_port:
            self.taped = [*self.taped[-3:], here.tape]
        for end in (here, other):
            if (process := whose(end.context)) is not None:
                process.ended.append(end.cut)
        other.run(other.protocol.connection_made, other)
        here.protocol.connection_made(here)
        return here, here.protocol

    async def replay(self, loop: asyncio.AbstractEventLoop, taped: bytes) -> None:
        """Send what somebody sent before once more, on a connection of its own; what is answered, nobody reads."""
        found = self._listening.get(("127.0.0.1", self.tape_port))
        if found is None:
            return
        address = ("127.0.0.1", self.tape_port)
        here = self._end(loop, asyncio.Protocol(), copy_context(), ("10.0.0.66", self._next_port()), address)
        other = self._end(loop, found[0](), found[1].copy(), address, here.address)
        here.other, other.other = other, here
        other.run(other.protocol.connection_made, other)
        here.write(taped)
        await asyncio.sleep(0)

    def _end(
        self, loop: asyncio.AbstractEventLoop, protocol: Any, context: Context, address: Address, peer: Address
    ) -> Wire:
        return Wire(self, loop, protocol, context, address, peer)

    def _next_port(self) -> int:
        self._ports += 1
        return self._ports

    def _happens(self, what: str, likely: float) -> bool:
        if likely and self.chance.random() < likely:
            self.trace.fault(f"network {what}")
            return True
        return False

    def delay_s(self) -> float:
        """How long bytes are under way."""
        if self._happens("late", self.weather.late):
            return self.chance.random() * self.weather.late_s_max
        return self.chance.random() * 0.002

    def is_cut(self) -> bool:
        """Whether a connection breaks at this write."""
        return self._happens("cut", self.weather.cut)

    def as_it_arrives(self, sent: bytes, *ports: int) -> bytes:
        """What is left of bytes between two ports: one of them may be another."""
        if self.tape_port not in ports or not self._happens("garbled", self.weather.garbled):
            return sent
        at = self.chance.randrange(len(sent))
        return sent[:at] + bytes([sent[at] ^ (1 << self.chance.randrange(8))]) + sent[at + 1 :]

    def is_lost(self) -> bool:
        """Whether what is written, and all after it, goes nowhere."""
        return self._happens("lost", self.weather.lost)


class Server:
    """What `loop.create_server` returns."""

    def __init__(self, network: Network, address: Address) -> None:
        self._network = network
        self._address = address
        self.sockets = (self,)

    def getsockname(self) -> Address:
        """Where it listens."""
        return self._address

    def close(self) -> None:
        """Take no more."""
        self._network.leave(self._address)

    async def wait_closed(self) -> None:
        """It is."""


class Wire(asyncio.Transport):
    """One end of a connection."""

    def __init__(
        self,
        network: Network,
        loop: asyncio.AbstractEventLoop,
        protocol: Any,
        context: Context,
        address: Address,
        peer: Address,
    ) -> None:
        super().__init__({"peername": peer, "sockname": address})
        self._network = network
        self._loop = loop
        self.protocol = protocol
        self.context = context
        self.address = address
        self.peer = peer
        self.other: Wire
        self.tape = bytearray()
        self._closing = False
        self._gone = False
        self._nowhere = False
        self._paused = False
        self._waiting: list[bytes] = []
        self._last = 0.0

    def run(self, callback: Callable[..., object], *args: Any) -> None:
        """As the process at this end, soon."""
        self._loop.call_soon(callback, *args, context=self.context)

    def write(self, data: Any) -> None:
        """Bytes on their way; they come in order, or the connection breaks."""
        if self._closing or self._gone or not data:
            return
        sent = bytes(data)
        self.tape += sent
        self._nowhere = self._nowhere or self._network.is_lost()
        if self._nowhere:
            return
        if self._network.is_cut():
            part = sent[: self._network.chance.randrange(len(sent) + 1)]
            self._later(self.other.came, part)
            self._later(self.other.cut)
            self._later(self.cut)
            self._nowhere = True
            return
        self._later(self.other.came, self._network.as_it_arrives(sent, self.address[1], self.peer[1]))

    def writelines(self, list_of_data: Any) -> None:
        """As `write`."""
        self.write(b"".join(list_of_data))

    def close(self) -> None:
        """Say goodbye; what was written arrives before."""
        if not self._closing:
            self._closing = True
            if not self._nowhere:
                self._later(self.other.cut, None)
            self.run(self.cut, None)

    def abort(self) -> None:
        """As `close`, at once."""
        self.close()

    def came(self, data: bytes) -> None:
        """Bytes from the other end."""
        if self._gone or not data:
            return
        if self._paused:
            self._waiting.append(data)
        else:
            self.run(self._receive, data)

    def _receive(self, data: bytes) -> None:
        if not self._gone:
            self.protocol.data_received(data)

    def cut(self, error: Exception | None = ConnectionResetError(104, "connection reset")) -> None:  # noqa: B008 - told, never changed
        """The connection is over."""
        if self._gone:
            return
        self._gone = self._closing = True
        self.run(self.protocol.connection_lost, error)
        self._later(self.other.cut)

    def _later(self, callback: Callable[..., object], *args: Any) -> None:
        self._last = max(self._last, self._loop.time() + self._network.delay_s())
        self._loop.call_at(self._last, callback, *args, context=Context())

    def is_closing(self) -> bool:
        """Whether it is over or about to be."""
        return self._closing

    def pause_reading(self) -> None:
        """Keep what comes."""
        self._paused = True

    def resume_reading(self) -> None:
        """Hand on what came."""
        self._paused = False
        waiting, self._waiting = self._waiting, []
        for data in waiting:
            self.run(self._receive, data)

    def is_reading(self) -> bool:
        """Whether what comes is handed on."""
        return not self._paused

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Another one takes over."""
        self.protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        """Who listens at this end."""
        found: asyncio.BaseProtocol = self.protocol
        return found

    def get_write_buffer_size(self) -> int:
        """All is on its way at once."""
        return 0

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """There is no buffer."""

    def can_write_eof(self) -> bool:
        """No."""
        return False
