"""Rights of an account of MariaDB or MySQL, as `SHOW GRANTS` tells them: its own, its roles' and everybody's."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from agent.collectors.logstore.dialects.database import Database, Query, Right, Unreadable
from agent.collectors.logstore.dialects.rights import OWN_ONE

_READ_ONLY = re.compile(r"GRANT (SELECT|USAGE|SHOW VIEW|, |\([^)]*\)| )+ ON ")
_IDENTIFIED = re.compile(r" IDENTIFIED (BY|VIA|WITH) .*?(?= REQUIRE | WITH GRANT | WITH MAX_|$)")
_PASSES_ON = re.compile(" WITH (GRANT|ADMIN) OPTION")
_ROLE = re.compile("GRANT `|SET DEFAULT ROLE ")
"""Says that there is a role; what it may do stands in lines of its own."""
_GRANTED_TO = re.compile(" TO `[^`]*`@`[^`]*`")
_TAKEN = re.compile("REVOKE ")
"""MySQL tells so what a right on everything does not give (`partial_revokes`)."""
_ROLES = re.compile("GRANT (`[^`]*`(?:@`[^`]*`(?:,`[^`]*`@`[^`]*`)*)?) TO ")
"""Those of a line: MariaDB writes one, MySQL several, each with its host."""
_PUBLIC_SINCE = (10, 11)
"""The first MariaDB that can grant to everybody."""

_GRANT = re.compile(r"GRANT (?P<rights>.+) ON (?P<what>\S+) TO (?P<whom>\S+)(?P<more>.*)")
_ROLE_TO_GIVE = re.compile(r"GRANT (?P<role>\S+) TO (?P<whom>\S+) WITH ADMIN OPTION")
_WRITING = frozenset({"ALL PRIVILEGES", "INSERT"})
_READING = re.compile(r"(SELECT|USAGE|SHOW VIEW)\b")


async def beyond_reading(database: Database) -> tuple[Right, ...]:
    """The grants of this account, its roles and of everybody that give more than SELECT, without a password's hash."""
    own = await _grants(database, "FOR CURRENT_USER()")
    roles = [found[1] for grant in own if (found := _ROLES.match(grant))]
    by_role: list[str] = []
    if roles and "@" in roles[0]:
        by_role = await _by_roles(database, ",".join(roles).split(","), set(own))
    elif roles:
        by_role = await _of_roles(database, roles)
    told = [
        Right(told=grant, cure=_cure(grant)) for grant in (*own, *await _of_everybody(database)) if _too_much(grant)
    ]
    mysql = bool(roles) and "@" in roles[0]
    return (*told, *(Right(told=one, cure=_cure(one, by_role=mysql)) for one in by_role if _too_much(one)))


def _too_much(grant: str) -> bool:
    reads = _READ_ONLY.match(grant) or _ROLE.match(grant) or _TAKEN.match(grant)
    return not reads or bool(_PASSES_ON.search(grant))


async def _by_roles(database: Database, roles: Sequence[str], own: Collection[str]) -> list[str]:
    """What MySQL's roles add to what the account may do of its ``own``, each as a grant to its role."""
    told: list[str] = []
    for role in roles:
        added = [grant for grant in await _grants(database, f"FOR CURRENT_USER() USING {role}") if grant not in own]
        told += [f" TO {role}".join(_GRANTED_TO.split(grant, maxsplit=1)) for grant in added]
    return told


async def _of_roles(database: Database, roles: Sequence[str]) -> list[str]:
    """What MariaDB's roles may do, each asked in its turn: it tells only of one that is taken on."""
    (now,) = await database.fetch_all([Query(sql="SELECT CURRENT_ROLE()")])
    before = None if isinstance(now, Unreadable) else now[0][0]
    told: list[str] = []
    for role in roles:
        await database.fetch_all([Query(sql=f"SET ROLE {role}")])
        told += await _grants(database, "FOR CURRENT_ROLE()")
    await database.fetch_all([Query(sql=f"SET ROLE {f'`{before}`' if before else 'NONE'}")])
    return told


async def _of_everybody(database: Database) -> list[str]:
    """What a MariaDB lets every account do; others know no such grants and take the question for a fault."""
    found = re.match(r"(\d+)\.(\d+)\.\d+-MariaDB", await database.version())
    if found is None or (int(found[1]), int(found[2])) < _PUBLIC_SINCE:
        return []
    return await _grants(database, "FOR PUBLIC")


async def _grants(database: Database, whose: str) -> list[str]:
    (answer,) = await database.fetch_all([Query(sql=f"SHOW GRANTS {whose}")])
    return [] if isinstance(answer, Unreadable) else [_IDENTIFIED.sub("", str(row[0])) for row in answer]


def _cure(grant: str, *, by_role: bool = False) -> str:
    """The statements that take back what a grant gives beyond reading; ``by_role``: one that MySQL told of a role."""
    role = _ROLE_TO_GIVE.fullmatch(grant)
    if role is not None:
        again = f"REVOKE {role['role']} FROM {role['whom']}; GRANT {role['role']} TO {role['whom']}"
        return f"a database administrator runs: {again}"
    found = _GRANT.fullmatch(grant)
    if found is None:
        return "revoke it: the agent needs SELECT and nothing else"
    given = [one.strip() for one in re.split(r",(?![^(]*\))", found["rights"])]
    much = [one for one in given if not _READING.match(one)]
    place = f"ON {found['what']} FROM {found['whom']}"
    lists = [*([", ".join(much)] if much else []), *(["GRANT OPTION"] if "WITH GRANT OPTION" in found["more"] else [])]
    runs = "a database administrator runs: " + "; ".join(f"REVOKE {rights} {place}" for rights in lists)
    if by_role:
        return f"{runs}; where {found['whom']} has it from another role, from that one"
    again = "; then the GRANT statements of `rewards-agent init` again" if "ALL PRIVILEGES" in much else ""
    own = OWN_ONE if found["what"].endswith(".*") and _WRITING & {*much} else ""
    return f"{own}{runs}{again}"
