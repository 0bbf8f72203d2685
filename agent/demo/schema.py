"""The part of a Moodle database that an agent can have a use for, described once and told in three dialects.

Names and types are Moodle's own, so that look-ups meet what they will meet on a campus; columns that only paint pages
(colours, review options, image captions) are left out, except in the log table, which is whole.

One line of a table is a list of columns: `name` is a whole number, `name:255` text of that length, `name:text` text
without a limit, `name:num` a decimal with five places; a `?` allows NULL, everything else has Moodle's empty default.
`unique a,b` and `key a,b` are indexes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

_TABLES = """
logstore_standard_log
  eventname:255 component:100 action:100 target:100 objecttable:50? objectid? crud:1 edulevel
  contextid contextlevel contextinstanceid userid courseid? relateduserid? anonymous other:text?
  timecreated origin:10? ip:45? realuserid?
  key timecreated
  key courseid,anonymous,timecreated
  key userid,contextlevel,contextinstanceid,crud,edulevel,timecreated
user
  auth:20 confirmed deleted suspended mnethostid username:100 idnumber:255 firstname:100 lastname:100 email:100
  lang:30 timezone:100 timecreated timemodified
  unique mnethostid,username
  key email
  key idnumber
user_info_field
  shortname:255 name:text datatype:255 categoryid sortorder
user_info_data
  userid fieldid data:text dataformat
  unique userid,fieldid
course_categories
  name:255 idnumber:100? parent sortorder coursecount visible timemodified depth path:255
  key parent
course
  category sortorder fullname:254 shortname:255 idnumber:100 summary:text? format:21 startdate enddate visible
  timecreated timemodified enablecompletion
  key category
  key idnumber
  key shortname
task_scheduled
  component:255 classname:255 lastruntime? nextruntime? faildelay? disabled
modules
  name:20 visible
  key name
course_sections
  course section name:255? summary:text? sequence:text? visible component:100? itemid? timemodified
  unique course,section
  key component,itemid
course_modules
  course module instance section idnumber:100? added visible groupmode completion completiongradeitemnumber?
  completionview completionexpected completionpassgrade deletioninprogress
  key course
  key module
  key instance
course_modules_completion
  coursemoduleid userid completionstate overrideby? timemodified
  unique userid,coursemoduleid
  key coursemoduleid
course_completions
  userid course timeenrolled timestarted timecompleted? reaggregate
  unique userid,course
  key course
page
  course name:255 intro:text? timemodified
feedback
  course name:255 intro:text anonymous timemodified
quiz
  course name:255 intro:text timeopen timeclose timelimit attempts grademethod sumgrades:num grade:num
  timecreated timemodified
  key course
quiz_attempts
  quiz userid attempt uniqueid layout:text currentpage preview state:16 timestart timefinish timemodified sumgrades:num?
  unique quiz,userid,attempt
  unique uniqueid
  key userid
assign
  course name:255 intro:text nosubmissions submissiondrafts duedate allowsubmissionsfromdate grade timemodified
  cutoffdate teamsubmission blindmarking
  key course
assign_submission
  assignment userid timecreated timemodified timestarted? status:10? groupid attemptnumber latest
  unique assignment,userid,groupid,attemptnumber
  key userid
assignsubmission_onlinetext
  assignment submission onlinetext:text? onlineformat
  key assignment
  key submission
assignsubmission_file
  assignment submission numfiles
  key assignment
  key submission
assign_user_flags
  userid assignment locked mailed extensionduedate workflowstate:20? allocatedmarker
  key userid
  key assignment
assign_overrides
  assignid groupid? userid? sortorder? allowsubmissionsfromdate? duedate? cutoffdate? timelimit?
  key assignid
  key groupid
  key userid
quiz_overrides
  quiz groupid? userid? timeopen? timeclose? timelimit? attempts? password:255?
  key quiz
  key groupid
  key userid
groups_members
  groupid userid timeadded component:100 itemid
  unique userid,groupid
  key groupid
forum
  course type:20 name:255 intro:text duedate cutoffdate assessed scale timemodified
  key course
forum_discussions
  course forum name:255 firstpost userid groupid assessed timemodified usermodified
  key forum
  key userid
forum_posts
  discussion parent userid created modified mailed subject:255 message:text messageformat deleted privatereplyto
  wordcount? charcount?
  key userid
  key discussion
  key parent
tag
  userid tagcollid name:255 rawname:255 isstandard description:text? descriptionformat flag timemodified?
  unique tagcollid,name
tag_instance
  tagid component:100 itemtype:100 itemid contextid? tiuserid ordering? timecreated timemodified
  key itemtype,itemid
rating
  contextid component:100 ratingarea:50 itemid scaleid rating userid timecreated timemodified
  key component,ratingarea,contextid,itemid
grade_items
  courseid? categoryid? itemname:255? itemtype:30 itemmodule:30? iteminstance? itemnumber? idnumber:255? gradetype
  grademax:num grademin:num scaleid? gradepass:num sortorder hidden locked needsupdate timecreated? timemodified?
  key courseid
  key itemtype,needsupdate
grade_grades
  itemid userid rawgrade:num? rawgrademax:num rawgrademin:num usermodified? finalgrade:num? hidden locked overridden
  excluded timecreated? timemodified?
  unique userid,itemid
  key itemid
role
  name:255 shortname:100 description:text sortorder archetype:30
  unique shortname
context
  contextlevel instanceid path:255? depth locked
  unique contextlevel,instanceid
  key instanceid
role_assignments
  roleid contextid userid timemodified modifierid component:100 itemid sortorder
  key contextid
  key userid,contextid,roleid
enrol
  enrol:20 status courseid sortorder roleid? timecreated timemodified
  key courseid
user_enrolments
  status enrolid userid timestart timeend modifierid timecreated timemodified
  unique enrolid,userid
  key userid
cohort
  contextid name:254 idnumber:100? description:text? descriptionformat visible component:100 timecreated timemodified
  key contextid
cohort_members
  cohortid userid timeadded
  unique cohortid,userid
  key userid
rating
  contextid component:100 ratingarea:50 itemid scaleid rating userid timecreated timemodified
  key component,ratingarea,contextid,itemid
  key userid
scale
  courseid userid name:255 scale:text description:text descriptionformat timemodified
  key courseid
badge
  name:255 description:text? timecreated timemodified usercreated usermodified issuername:255 expiredate? type courseid?
  message:text status version:255?
  key courseid
badge_issued
  badgeid userid uniquehash:text dateissued dateexpire? visible issuernotified?
  unique badgeid,userid
  key userid
"""

Type = Literal["whole", "varchar", "text", "decimal"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column: ``length`` in characters for `varchar`, else 0."""

    name: str
    type: Type
    length: int
    nullable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One table without its prefix; the primary key `id` is the first of ``columns``."""

    name: str
    columns: tuple[Column, ...]
    unique: tuple[tuple[str, ...], ...]
    keys: tuple[tuple[str, ...], ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Column names, `id` first."""
        return tuple(column.name for column in self.columns)


def _column(word: str) -> Column:
    nullable = word.endswith("?")
    name, _, kind = word.rstrip("?").partition(":")
    named: dict[str, Type] = {"": "whole", "text": "text", "num": "decimal"}
    type_ = named.get(kind, "varchar")
    return Column(name=name, type=type_, length=int(kind) if type_ == "varchar" else 0, nullable=nullable)


def _table(name: str, lines: list[str]) -> Table:
    columns = [Column(name="id", type="whole", length=0, nullable=False)]
    unique: list[tuple[str, ...]] = []
    keys: list[tuple[str, ...]] = []
    for line in lines:
        words = line.split()
        if words[0] in ("unique", "key"):
            (unique if words[0] == "unique" else keys).append(tuple(words[1].split(",")))
        else:
            columns.extend(_column(word) for word in words)
    return Table(name=name, columns=tuple(columns), unique=tuple(unique), keys=tuple(keys))


def _tables() -> Iterator[Table]:
    name = ""
    lines: list[str] = []
    for line in [*_TABLES.strip().splitlines(), ""]:
        if line.startswith(" "):
            lines.append(line)
            continue
        if name:
            yield _table(name, lines)
        name, lines = line.strip(), []


TABLES: dict[str, Table] = {table.name: table for table in _tables()}
"""Every table by its name without prefix."""

LOG = TABLES["logstore_standard_log"]
"""Moodle's standard log: 21 columns."""


def _sqlite_column(column: Column) -> str:
    if column.name == "id":
        return "id INTEGER PRIMARY KEY"
    affinity, empty = {
        "whole": ("INTEGER", "0"),
        "varchar": ("TEXT", "''"),
        "text": ("TEXT", "''"),
        "decimal": ("NUMERIC", "0"),
    }[column.type]
    return f'"{column.name}" {affinity}' + ("" if column.nullable else f" NOT NULL DEFAULT {empty}")


def sqlite_ddl(prefix: str = "mdl_") -> Iterator[str]:
    """CREATE statements for SQLite, one at a time."""
    for table in TABLES.values():
        columns = ",\n  ".join(_sqlite_column(column) for column in table.columns)
        yield f"CREATE TABLE {prefix}{table.name} (\n  {columns}\n)"
        for n, (index, unique) in enumerate([(u, "UNIQUE ") for u in table.unique] + [(k, "") for k in table.keys]):
            yield f"CREATE {unique}INDEX {prefix}{table.name}_{n} ON {prefix}{table.name} ({', '.join(index)})"


def _mariadb_column(column: Column) -> str:
    if column.name == "id":
        return "`id` bigint NOT NULL AUTO_INCREMENT"
    type_, empty = {
        "whole": ("bigint", "0"),
        "varchar": (f"varchar({column.length})", "''"),
        "text": ("longtext", ""),
        "decimal": ("decimal(10,5)", "0"),
    }[column.type]
    if column.nullable:
        return f"`{column.name}` {type_} DEFAULT NULL"
    return f"`{column.name}` {type_} NOT NULL" + (f" DEFAULT {empty}" if empty else "")


def mariadb_ddl(prefix: str = "mdl_") -> Iterator[str]:
    """CREATE TABLE statements for MariaDB and MySQL, as Moodle makes its tables (InnoDB, compressed, utf8mb4)."""
    for table in TABLES.values():
        parts = [_mariadb_column(column) for column in table.columns]
        parts.append("PRIMARY KEY (`id`)")
        parts.extend(f"UNIQUE KEY u{n} ({', '.join(index)})" for n, index in enumerate(table.unique))
        parts.extend(f"KEY k{n} ({', '.join(index)})" for n, index in enumerate(table.keys))
        body = ",\n  ".join(parts)
        yield (
            f"CREATE TABLE {prefix}{table.name} (\n  {body}\n) ENGINE=InnoDB ROW_FORMAT=COMPRESSED "
            "DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci"
        )


def _postgres_column(column: Column) -> str:
    if column.name == "id":
        return "id bigserial NOT NULL"
    type_, empty = {
        "whole": ("bigint", "0"),
        "varchar": (f"character varying({column.length})", "''"),
        "text": ("text", "''"),
        "decimal": ("numeric(10,5)", "0"),
    }[column.type]
    return f'"{column.name}" {type_}' + ("" if column.nullable else f" DEFAULT {empty} NOT NULL")


def postgres_ddl(prefix: str = "mdl_") -> Iterator[str]:
    """CREATE statements for PostgreSQL, one at a time."""
    for table in TABLES.values():
        columns = ",\n  ".join(_postgres_column(column) for column in table.columns)
        yield f"CREATE TABLE {prefix}{table.name} (\n  {columns},\n  PRIMARY KEY (id)\n)"
        for n, (index, unique) in enumerate([(u, "UNIQUE ") for u in table.unique] + [(k, "") for k in table.keys]):
            yield f"CREATE {unique}INDEX {prefix}{table.name}_{n} ON {prefix}{table.name} ({', '.join(index)})"
