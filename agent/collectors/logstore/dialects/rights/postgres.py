"""Rights of a role of PostgreSQL, as its catalogs tell them: attributes, memberships, property, grants."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from agent.collectors.logstore.dialects.database import Answer, Database, Query, Right, Rows, Unreadable
from agent.collectors.logstore.dialects.rights import OWN_ONE
from machine.words import counted

NAMED_MAX = 3
"""So many tables are named in a statement; more are taken back all at once."""

_ATTRIBUTES = """
SELECT right_to FROM pg_roles, unnest(ARRAY[CASE WHEN rolsuper THEN 'SUPERUSER' END,
  CASE WHEN rolcreatedb THEN 'CREATEDB' END, CASE WHEN rolcreaterole THEN 'CREATEROLE' END,
  CASE WHEN rolreplication THEN 'REPLICATION' END, CASE WHEN rolbypassrls THEN 'BYPASSRLS' END]) AS right_to
WHERE rolname = current_user AND right_to IS NOT NULL
"""
_GRANTED = """granted AS (
  SELECT acl.grantee, acl.privilege_type, acl.is_grantable, n.nspname, c.relname, c.relkind, c.relowner
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  CROSS JOIN LATERAL (
    SELECT * FROM aclexplode(c.relacl)
    UNION ALL SELECT a.* FROM pg_attribute t CROSS JOIN LATERAL aclexplode(t.attacl) a WHERE t.attrelid = c.oid
  ) acl
  WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
    AND acl.grantee <> c.relowner AND (acl.privilege_type <> 'SELECT' OR acl.is_grantable)
)"""
_GRANTS = """
WITH [granted]
SELECT DISTINCT nspname, relname, relkind = 'S', privilege_type, grantee = 0
FROM granted WHERE grantee IN (0, (SELECT oid FROM pg_roles WHERE rolname = current_user)) ORDER BY 1, 2, 4
"""
_OWNS = """
SELECT (SELECT count(*) FROM pg_class WHERE relowner = me.oid AND relkind IN ('r', 'p', 'v', 'm', 'f')),
  (SELECT count(*) FROM pg_namespace WHERE nspowner = me.oid), db.datdba = me.oid,
  CASE WHEN db.datdba = me.oid THEN pg_get_userbyid(10) ELSE pg_get_userbyid(db.datdba) END
FROM pg_roles me, pg_database db WHERE me.rolname = current_user AND db.datname = current_database()
"""
_MEMBER_OF = """
WITH [granted],
able AS (
  SELECT oid FROM pg_roles x WHERE rolsuper OR rolcreatedb OR rolcreaterole OR rolreplication OR rolbypassrls
    OR rolname IN ('pg_write_all_data', 'pg_execute_server_program', 'pg_write_server_files', 'pg_read_server_files',
      'pg_signal_backend', 'pg_checkpoint', 'pg_maintain', 'pg_create_subscription')
    OR EXISTS (SELECT FROM granted WHERE grantee = x.oid)
    OR EXISTS (SELECT FROM pg_class WHERE relowner = x.oid)
)
SELECT DISTINCT r.rolname, m.admin_option FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.roleid
WHERE m.member = (SELECT oid FROM pg_roles WHERE rolname = current_user)
  AND (m.admin_option OR EXISTS (SELECT FROM able WHERE pg_has_role(r.oid, able.oid, 'MEMBER')))
ORDER BY 1
"""
_MAKES = """
SELECT 'SCHEMA', nspname FROM pg_namespace n CROSS JOIN LATERAL aclexplode(nspacl) acl
WHERE acl.privilege_type = 'CREATE' AND acl.grantee <> nspowner
  AND acl.grantee = (SELECT oid FROM pg_roles WHERE rolname = current_user)
UNION ALL
SELECT 'DATABASE', datname FROM pg_database CROSS JOIN LATERAL aclexplode(datacl) acl
WHERE datname = current_database() AND acl.privilege_type = 'CREATE' AND acl.grantee <> datdba
  AND acl.grantee = (SELECT oid FROM pg_roles WHERE rolname = current_user)
"""
_RUNS = "a database administrator runs: "


async def beyond_reading(database: Database, role: str) -> tuple[Right, ...]:
    """What ``role``, which the account is, may do besides reading: each with the statement that takes it back."""
    questions = (_ATTRIBUTES, _OWNS, _MEMBER_OF, _GRANTS, _MAKES)
    answers = await database.fetch_all([Query(sql=question.replace("[granted]", _GRANTED)) for question in questions])
    attributes, owns, members, grants, makes = map(_rows, answers)
    me = _quoted(role)
    return (
        *_of_attributes([str(name) for (name,) in attributes], me),
        *_of_owner(owns, me),
        *_of_members(members, me),
        *_of_grants(grants, me),
        *(
            Right(
                told=f"CREATE on {what.lower()} {name}",
                cure=f"{_RUNS}REVOKE CREATE ON {what} {_quoted(name)} FROM {me}",
            )
            for what, name in makes
        ),
    )


def _of_attributes(names: list[str], me: str) -> Iterator[Right]:
    if names:
        cure = f"{_RUNS}ALTER ROLE {me} {' '.join(f'NO{name}' for name in names)}"
        yield Right(told=", ".join(names), cure=f"{OWN_ONE}{cure}" if "SUPERUSER" in names else cure)


def _of_owner(owns: Rows, me: str) -> Iterator[Right]:
    for tables, schemas, database, heir in owns:
        parts = [counted(count, name) for count, name in ((tables, "table"), (schemas, "schema")) if count]
        parts += ["the database"] if database else []
        if parts:
            cure = f"{_RUNS}REASSIGN OWNED BY {me} TO {_quoted(heir)}"
            again = "; then the GRANT statements of `rewards-agent init` again"
            yield Right(told=f"it owns {', '.join(parts)}", cure=f"{OWN_ONE}{cure}{again}")


def _of_members(members: Rows, me: str) -> Iterator[Right]:
    for role, hands_on in members:
        told = f"it is a member of {role}, " + ("which it may give to others" if hands_on else "which may do more")
        again = "; where it read tables by that role, then the GRANT statements of `rewards-agent init`"
        yield Right(told=told, cure=f"{_RUNS}REVOKE {_quoted(role)} FROM {me}{again}")


def _of_grants(grants: Rows, me: str) -> Iterator[Right]:
    """Tables with the same rights together: an account that may write to one may often write to all."""
    rights: dict[tuple[str, str, bool, bool], list[str]] = defaultdict(list)
    for schema, table, sequence, right, everybody in grants:
        rights[schema, table, sequence, everybody].append(right)
    alike: dict[tuple[str, bool, bool, tuple[str, ...]], list[str]] = defaultdict(list)
    for (schema, table, sequence, everybody), names in rights.items():
        alike[schema, sequence, everybody, tuple(names)].append(table)
    for (schema, sequence, everybody, same), tables in alike.items():
        whom = "PUBLIC" if everybody else me
        yield Right(
            told=f"{', '.join(map(_called, same))} on {_listed(tables)}" + (", as everybody may" if everybody else ""),
            cure=_RUNS + "; ".join(_revoking(same, schema, tables, whom, sequence=sequence)),
        )


def _revoking(names: tuple[str, ...], schema: str, tables: list[str], whom: str, *, sequence: bool) -> Iterator[str]:
    where, kind = _quoted(schema), "SEQUENCE" if sequence else "TABLE"
    named = ", ".join(f"{where}.{_quoted(table)}" for table in tables)
    places = f"{kind} {named}" if len(tables) <= NAMED_MAX else f"ALL {kind}S IN SCHEMA {where}"
    writing = [name for name in names if name != "SELECT"]
    much = [", ".join(writing)] if writing else []
    much += ["GRANT OPTION FOR SELECT"] if "SELECT" in names else []
    for rights in much:
        yield f"REVOKE {rights} ON {places} FROM {whom}"


def _called(right: str) -> str:
    return "SELECT WITH GRANT OPTION" if right == "SELECT" else right


def _listed(tables: list[str]) -> str:
    more = len(tables) - NAMED_MAX
    return ", ".join(tables[:NAMED_MAX]) + (f" and {more} more" if more > 0 else "")


def _rows(answer: Answer) -> Rows:
    return [] if isinstance(answer, Unreadable) else answer


def _quoted(name: str) -> str:
    return '"{}"'.format(str(name).replace('"', '""'))
