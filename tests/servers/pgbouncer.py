"""A private `pgbouncer` before a private `postgres`: each transaction may get another connection."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from collections.abc import Iterator

from tests.servers.ports import free_port
from tests.servers.postgres import Postgres, unprivileged
from tests.servers.process import Process, program, temporary_directory, wait


@contextlib.contextmanager
def running_pgbouncer(server: Postgres, *, connections: int = 2) -> Iterator[int]:
    """Its port; every client shares ``connections`` to the server, handed out transaction by transaction."""
    port = free_port()
    with temporary_directory("rewards-pgbouncer-") as directory:
        account = unprivileged()
        if account is not None:
            os.chown(directory, account.pw_uid, account.pw_gid)
        config = directory / "pgbouncer.ini"
        config.write_text(
            f"[databases]\n* = host=127.0.0.1 port={server.port} user=admin\n"
            f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = any\n"
            f"pool_mode = transaction\ndefault_pool_size = {connections}\nserver_round_robin = 1\n",
            encoding="utf-8",
        )
        config.chmod(0o644)
        process = Process([program("pgbouncer"), str(config)], directory=directory, account=account)

        def answers() -> bool:
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", port)) == 0

        try:
            wait(process, answers)
            yield port
        finally:
            process.end(signal.SIGKILL)
