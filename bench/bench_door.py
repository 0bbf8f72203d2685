"""Posts that are on disk before they are answered, against a bare aiohttp handler that only reads and answers.

The same client posts to both: 64 connections, each sending its next post when the last one is answered.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psutil

from bench.frame import Comparison, Sample, percentile, publish
from tests.posts import HOOK, TOKEN, a_post

CONNECTIONS = 64
RATIO, ALONE, P99_MS = 0.5, 600, 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A server process and its port."""

    process: psutil.Popen
    port: int

    def memory_mb(self) -> float:
        """Resident memory."""
        return float(self.process.memory_info().rss) / 1e6


@contextmanager
def serving(kind: str) -> Iterator[Server]:
    """`ours` or `bare`, on a free port."""
    with tempfile.TemporaryDirectory(prefix="rewards-bench-") as directory:
        command = [sys.executable, "-m", "bench.door_server", kind, directory]
        process = psutil.Popen(command, stdout=subprocess.PIPE)
        try:
            yield Server(process=process, port=int(process.stdout.readline()))
        finally:
            process.terminate()
            process.wait(30)


def request(number: int) -> bytes:
    """One post as it goes over the wire."""
    body = json.dumps(a_post(objectid=str(number), timecreated=str(int(time.time()) - 5))).encode()
    head = (
        f"POST {HOOK} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {TOKEN}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def client(port: int, posts: int, *, pause_s: float = 0.0) -> list[float]:
    """One connection: ``posts`` posts one after another; how long each answer took."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    took = []
    due = time.perf_counter()
    for number in range(posts):
        data = request(number)
        if pause_s:
            due += pause_s
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
        began = time.perf_counter()
        writer.write(data)
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), head
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        await reader.readexactly(length)
        took.append(time.perf_counter() - began)
    writer.close()
    return took


async def _all(port: int, posts: int, connections: int, pause_s: float = 0.0) -> list[float]:
    parts = await asyncio.gather(*(client(port, posts // connections, pause_s=pause_s) for _ in range(connections)))
    return [one for part in parts for one in part]


def load(server: Server, posts: int, connections: int) -> Sample:
    """As fast as it goes."""
    before = server.process.cpu_times()
    began = time.perf_counter()
    done = len(asyncio.run(_all(server.port, posts, connections)))
    wall = time.perf_counter() - began
    after = server.process.cpu_times()
    cpu = after.user + after.system - before.user - before.system
    return Sample(units=done, wall_s=wall, cpu_s=cpu, peak_mb=server.memory_mb())


def main(*, quick: bool = False) -> None:
    """Run it; ``quick`` posts less."""
    posts = 6_400 if quick else 64_000
    repeats = 1 if quick else 3
    bare: list[Sample] = []
    ours: list[Sample] = []
    for _ in range(repeats):
        for kind, samples in (("bare", bare), ("ours", ours)):
            with serving(kind) as server:
                load(server, posts // 8, CONNECTIONS)
                samples.append(load(server, posts, CONNECTIONS))
    compared = Comparison(unit="posts", bare=tuple(bare), ours=tuple(ours))
    half = compared.ours[0].rate / 2
    with serving("ours") as server:
        alone = load(server, 600 if quick else 6_000, 1)
        seconds = 3 if quick else 20
        took = asyncio.run(_all(server.port, int(half * seconds), CONNECTIONS, CONNECTIONS / half))
        memory = [server.memory_mb()]
        for _ in range(2 if quick else 10):
            load(server, 3_200 if quick else 100_000, CONNECTIONS)
            memory.append(server.memory_mb())
    p99 = 1000 * percentile(took, 0.99)
    told = (
        f"{compared.table()}\n\n| what | figure | wanted |\n|---|---|---|\n"
        f"| durable ÷ bare, {CONNECTIONS} connections | {compared.ratio:.2f} | ≥ {RATIO} |\n"
        f"| one connection | {alone.rate:,.0f} posts/s | ≥ {ALONE} |\n"
        f"| p99 at {half:,.0f} posts/s | {p99:.1f} ms | < {P99_MS} ms |\n"
        f"| memory before and after {0.0064 if quick else 1.0:g} million posts more "
        f"| {memory[0]:.0f} → {memory[-1]:.0f} MB | flat |\n\n"
        "Client and server share the cores; the client is the same for both. Every answer of ours is a post on disk."
    )
    publish("door", "Posts, durable", told, quick=quick)


if __name__ == "__main__":
    main()
