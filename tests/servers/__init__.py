"""Real private database servers for tests and benchmarks: fresh data directories, free loopback ports, gone at the end.

    with running_mariadb() as server:
        database = server.create_database()
        with database.connect() as connection: ...

Nothing of an installed service is touched. A server whose owner dies is killed by a watcher and leaves no files.
"""

from __future__ import annotations

from tests.servers.address import FloatingAddress, floating_address
from tests.servers.capture import (
    CAPTURE,
    NOT_CAPTURED,
    capture_is_here,
    load_capture,
    load_capture_into_postgres,
)
from tests.servers.mariadb import USER_COLUMNS, MariaDatabase, MariaDB, Replication, replicating, running_mariadb
from tests.servers.mysql import ABSENT as MYSQL_ABSENT
from tests.servers.mysql import MySQL, mysqld, running_mysql
from tests.servers.pgbouncer import running_pgbouncer
from tests.servers.ports import free_port
from tests.servers.postgres import Postgres, PostgresDatabase, running_postgres, running_replica
from tests.servers.process import ADMIN, ADMIN_PASSWORD, READER, READER_PASSWORD, ServerError

__all__ = [
    "ADMIN",
    "ADMIN_PASSWORD",
    "CAPTURE",
    "MYSQL_ABSENT",
    "NOT_CAPTURED",
    "READER",
    "READER_PASSWORD",
    "USER_COLUMNS",
    "FloatingAddress",
    "MariaDB",
    "MariaDatabase",
    "MySQL",
    "Postgres",
    "PostgresDatabase",
    "Replication",
    "ServerError",
    "capture_is_here",
    "floating_address",
    "free_port",
    "load_capture",
    "load_capture_into_postgres",
    "mysqld",
    "replicating",
    "running_mariadb",
    "running_mysql",
    "running_pgbouncer",
    "running_postgres",
    "running_replica",
]
