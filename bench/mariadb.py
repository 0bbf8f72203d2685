"""A private MariaDB with room for a benchmark."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tests.servers import MariaDB, running_mariadb

OPTIONS = ("--innodb-buffer-pool-size=1G", "--innodb-log-file-size=512M", "--local-infile=1")


@contextmanager
def mariadb() -> Iterator[MariaDB]:
    """A fresh server whose buffer pool holds the benchmark's tables; gone at the end."""
    with running_mariadb(*OPTIONS) as server:
        yield server
