"""A Moodle that answers by web services over real HTTP from the tables of a test's site, and posts of its log rows.

Each function answers in the structure that Moodle 4.5 documents for it (`…_returns()` of its external class), fields
that nobody here needs included; faults are HTTP 200 with `exception`, `errorcode` and `message`, as Moodle has them.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from hashlib import md5
from html import escape
from typing import Any
from urllib.parse import quote_plus

from aiohttp import web
from yarl import URL

from agent.collectors.moodlews.client import ENDPOINT
from agent.collectors.moodlews.options import WebServiceOptions
from agent.collectors.systems import moodle
from agent.config.secrets import Secret
from agent.model import Demand

WS_TOKEN = "0123456789abcdef0123456789abcdef"
Rows = Sequence[Sequence[Any]]
_A_TAG = re.compile(r"<[^>]*>")
Ask = Callable[[str], Rows]
"""SQL in, rows out; every number in it is written out."""

ROW = (
    "id, eventname, objecttable, objectid, contextlevel, contextinstanceid, userid, courseid, relateduserid, "
    "anonymous, other, timecreated, origin, realuserid"
)


class MoodleError(Exception):
    """An exception of Moodle's, by its class and its error code."""

    def __init__(self, code: str, exception: str = "moodle_exception") -> None:
        super().__init__(code)
        self.code = code
        self.exception = exception


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request: what was asked, of what; the path with whatever stood behind it."""

    function: str
    parameters: Mapping[str, str]
    target: str


@dataclass(slots=True, kw_only=True)
class Moods:
    """What a site does instead of answering. ``codes``: by function, or `*` for all; ``status``: an HTTP status.

    ``closed`` are courses that the service's user may not enter, ``hidden`` those that it is not told of, ``untracked``
    those without completion tracking, ``strangers`` learners of groups that are not its own; ``shy`` shows it nobody
    but who teaches. ``edits`` is whether it may edit courses, ``cleaned`` whether Moodle has cleaned up since.
    """

    codes: dict[str, str] = field(default_factory=dict)
    closed: set[int] = field(default_factory=set)
    hidden: set[int] = field(default_factory=set)
    strangers: set[int] = field(default_factory=set)
    untracked: set[int] = field(default_factory=set)
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None
    displays_word_counts: bool = False
    tags: bool = True
    shy: bool = False
    edits: bool = False
    cleaned: bool = True


class FakeMoodle:
    """One site. ``ask`` reads its tables; ``asked`` is every request that came, ``moods`` what goes wrong."""

    def __init__(self, ask: Ask) -> None:
        self.ask = ask
        self.asked: list[Asked] = []
        self.moods = Moods()
        self.url = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """The REST endpoint."""
        form = {name: str(value) for name, value in (await request.post()).items()}
        token, function = form.pop("wstoken", ""), form.pop("wsfunction", "")
        self.asked.append(Asked(function=function, parameters=form, target=str(request.rel_url)))
        if self.moods.status != web.HTTPOk.status_code:
            return web.Response(status=self.moods.status, headers=self.moods.headers, body=self.moods.body)
        if self.moods.body is not None:
            return web.Response(body=self.moods.body)
        try:
            answer = self._answer(token, function, form)
        except MoodleError as fault:
            answer = {"exception": fault.exception, "errorcode": fault.code, "message": "Told to people, not to us"}
        # Moodle answers JSON under whatever content type the server has.
        return web.Response(body=json.dumps(answer, default=_plain).encode(), content_type="application/json")

    def _answer(self, token: str, function: str, form: Mapping[str, str]) -> Any:
        if token != WS_TOKEN:
            raise MoodleError("invalidtoken")
        code = self.moods.codes.get(function, self.moods.codes.get("*"))
        if code == "accessexception":
            raise MoodleError(code, "webservice_access_exception")
        if code is not None:
            raise MoodleError(code)
        self._let_in(function, course=int(form.get("courseid") or 0), user=int(form.get("userid") or 0))
        if function not in FUNCTIONS:
            raise MoodleError("invalidrecord", "dml_missing_record_exception")
        return FUNCTIONS[function](self, form)

    def _let_in(self, function: str, *, course: int, user: int) -> None:
        """As Moodle says no to a user who may use the function, but not there."""
        if course in self.moods.closed:
            if function in {"core_enrol_get_enrolled_users", "core_course_get_contents"}:
                raise MoodleError("errorcoursecontextnotvalid")
            raise MoodleError("requireloginerror", "require_login_exception")
        if course in self.moods.untracked and function == "core_completion_get_course_completion_status":
            raise MoodleError("cannotviewreport")
        if course and user in self.moods.strangers:
            graded = function == "gradereport_user_get_grade_items"
            raise MoodleError("notingroup" if graded else "accessdenied")

    def functions_asked(self) -> list[str]:
        """What was asked, in order."""
        return [one.function for one in self.asked]


def _plain(value: object) -> object:
    return float(value) if isinstance(value, Decimal) else str(value)


def _number(value: object) -> float | None:
    return None if value is None else float(str(value))


def _site_info(site: FakeMoodle, _: Mapping[str, str]) -> Any:
    refused = {name for name, code in site.moods.codes.items() if code == "accessexception"}
    return {
        "sitename": "Test", "username": "rewards", "firstname": "R", "lastname": "S", "fullname": "R S", "lang": "en",
        "userid": 3, "siteurl": site.url, "userpictureurl": "", "release": "4.5.11+ (Build: 20260101)",
        "version": "2024100711", "functions": [{"name": name, "version": "2024100711"} for name in FUNCTIONS
                                               if name not in refused],
        "downloadfiles": 0, "uploadfiles": 0,
    }  # fmt: skip


def _courses(site: FakeMoodle, form: Mapping[str, str]) -> Any:
    only = f" WHERE id = {int(form['value'])}" if form.get("field") == "id" else ""
    rows = site.ask(f"SELECT id, shortname, idnumber, startdate, category, fullname FROM mdl_course{only}")
    return {
        "courses": [
            {
                "id": number, "fullname": _shown(full), "displayname": _shown(full), "shortname": _shown(short),
                "categoryid": category, "categoryname": "", "startdate": starts, "visible": 1, "format": "topics",
                "enablecompletion": int(number not in site.moods.untracked),
                **({"idnumber": idnumber} if site.moods.edits else {}),
            }
            for number, short, idnumber, starts, category, full in rows
            if number not in site.moods.hidden
        ],
        "warnings": [],
    }  # fmt: skip


def _shown(name: str) -> str:
    """A name as it stands in a page: Moodle takes the tags out of it and writes the rest as HTML."""
    return escape(_A_TAG.sub("", name), quote=False)


def _users_courses(site: FakeMoodle, form: Mapping[str, str]) -> Any:
    assert form["returnusercount"] == "0", "counting everybody of each course takes Moodle seconds"
    rows = site.ask(
        "SELECT DISTINCT c.id, c.shortname, c.idnumber FROM mdl_course c JOIN mdl_enrol e ON e.courseid = c.id "
        f"JOIN mdl_user_enrolments ue ON ue.enrolid = e.id WHERE ue.userid = {int(form['userid'])}"
    )
    return [
        {"id": number, "shortname": _shown(short), "fullname": "", "idnumber": idnumber, "visible": 1}
        for number, short, idnumber in rows
        if number not in site.moods.hidden
    ]


def _categories(site: FakeMoodle, _: Mapping[str, str]) -> Any:
    rows = site.ask("SELECT id, name, path, parent, depth FROM mdl_course_categories")
    return [
        {
            "id": number,
            "name": _shown(name),
            "idnumber": "",
            "parent": parent,
            "depth": depth,
            "path": path,
            "visible": 1,
        }
        for number, name, path, parent, depth in rows
    ]


def _contents(site: FakeMoodle, form: Mapping[str, str]) -> Any:
    course = int(form["courseid"])
    sections = site.ask(f"SELECT id, name, section, component, itemid FROM mdl_course_sections WHERE course = {course}")
    modules = site.ask(
        "SELECT cm.id, cm.section, cm.instance, cm.completion, m.name FROM mdl_course_modules cm "
        f"JOIN mdl_modules m ON m.id = cm.module WHERE cm.course = {course} AND cm.deletioninprogress = 0 "
        "ORDER BY cm.id"
    )
    return [
        {
            "id": number, "name": name or f"Topic {place}", "visible": 1, "summary": "", "summaryformat": 1,
            "section": place, "hiddenbynumsections": 0, "uservisible": True, "component": component, "itemid": item,
            "modules": [
                {
                    "id": cm, "url": "", "name": "", "instance": instance, "contextid": 0, "visible": 1,
                    "uservisible": True, "visibleoncoursepage": 1, "modicon": "", "modname": sort, "modplural": "",
                    "availability": None, "indent": 0, "noviewlink": False, "completion": tracked, "dates": [],
                }
                for cm, section, instance, tracked, sort in modules
                if section == number
            ],
        }
        for number, name, place, component, item in sections
    ]  # fmt: skip


def _activities(site: FakeMoodle, form: Mapping[str, str]) -> Any:
    course, user = int(form["courseid"]), int(form["userid"])
    rows = site.ask(
        "SELECT cm.id, m.name, cm.instance, cm.completion, c.completionstate, c.timemodified, c.overrideby "
        "FROM mdl_course_modules cm JOIN mdl_modules m ON m.id = cm.module "
        f"LEFT JOIN mdl_course_modules_completion c ON c.coursemoduleid = cm.id AND c.userid = {user} "
        f"WHERE cm.course = {course} AND cm.completion > 0 AND cm.deletioninprogress = 0"
    )
    return {
        "statuses": [
            {
                "cmid": cm, "modname": sort, "instance": instance, "state": state or 0, "timecompleted": at or 0,
                "tracking": tracked, "overrideby": by, "valueused": False, "hascompletion": True,
                "isautomatic": tracked == 2, "istrackeduser": True, "uservisible": True, "details": [],
                "isoverallcomplete": state in {1, 2},
            }
            for cm, sort, instance, tracked, state, at, by in rows
        ],
        "warnings": [],
    }  # fmt: skip


def _course_completion(site: FakeMoodle, form: Mapping[str, str]) -> Any:
    course, user = int(form["courseid"]), int(form["userid"])
    rows = site.ask(f"SELECT timecompleted FROM mdl_course_completions WHERE course = {course} AND userid = {user}")
    if not rows:
        raise MoodleError("nocriteriaset")
    ((at,),) = rows
    details = {"type": "Activity completion", "criteria": "", "requirement": "", "status": ""}
    row = {"type": 4, "title": "", "status": "Yes", "complete": bool(at), "timecompleted": at, "details": details}
    return {
        "completionstatus": {"completed": bool(at), "aggregation": 1, "completions": [row]},
        "warnings": [],
    }


def _grade_items(site: FakeMoodle, form: Mapping[str, str]) -> Any:
    course, user = int(form["courseid"]), int(form["userid"])
    rows = site.ask(
        "SELECT i.id, i.itemtype, i.itemmodule, i.iteminstance, i.grademin, CASE WHEN i.itemtype IN ('course', "
        "'category') THEN COALESCE(g.rawgrademax, i.grademax) ELSE i.grademax END, g.finalgrade, g.timemodified, "
        "g.overridden, cm.id, i.itemnumber FROM mdl_grade_items i "
        f"LEFT JOIN mdl_grade_grades g ON g.itemid = i.id AND g.userid = {user} "
        "LEFT JOIN mdl_modules m ON m.name = i.itemmodule LEFT JOIN mdl_course_modules cm "
        f"ON cm.module = m.id AND cm.instance = i.iteminstance AND cm.course = i.courseid WHERE i.courseid = {course}"
    )
    items = [
        {
            "id": item, "itemname": "", "itemtype": sort, "itemmodule": module, "iteminstance": instance,
            "itemnumber": part or 0, "idnumber": "", "categoryid": None, "outcomeid": None, "scaleid": None,
            "locked": False,
            **({"cmid": cm} if sort == "mod" else {}),
            "graderaw": _number(grade), "gradedatesubmitted": None,
            "gradedategraded": None if grade is None else (overridden or at), "gradehiddenbydate": False,
            "gradeneedsupdate": False, "gradeishidden": False, "gradeislocked": False,
            "gradeisoverridden": bool(overridden), "gradeformatted": "", "grademin": _number(least),
            "grademax": _number(most), "rangeformatted": "", "percentageformatted": "", "feedback": "",
        }
        for item, sort, module, instance, least, most, grade, at, overridden, cm, part in rows
    ]  # fmt: skip
    who = {"courseid": course, "courseidnumber": "", "userid": user, "userfullname": "", "useridnumber": ""}
    return {"usergrades": [{**who, "maxdepth": 2, "gradeitems": items}], "warnings": []}


def _quizzes(site: FakeMoodle, form: Mapping[str, str]) -> Any:
    courses = ", ".join(str(int(value)) for name, value in form.items() if name.startswith("courseids["))
    rows = site.ask(f"SELECT id, course, name, sumgrades, grade, timeclose FROM mdl_quiz WHERE course IN ({courses})")
    return {
        "quizzes": [
            {
                "id": quiz, "coursemodule": 0, "course": course, "name": name, "intro": "", "introformat": 1,
                "sumgrades": _number(most), "grade": _number(grade), "timeopen": 0, "timeclose": closes,
            }
            for quiz, course, name, most, grade, closes in rows
        ],
        "warnings": [],
    }  # fmt: skip


def _attempts(site: FakeMoodle, form: Mapping[str, str]) -> Any:
    quiz, user = int(form["quizid"]), int(form["userid"])
    rows = site.ask(
        "SELECT id, attempt, preview, state, timestart, timefinish, sumgrades FROM mdl_quiz_attempts "
        f"WHERE quiz = {quiz} AND userid = {user}"
    )
    return {
        "attempts": [
            {
                "id": number, "quiz": quiz, "userid": user, "attempt": nth, "uniqueid": number, "layout": "1,0",
                "currentpage": 0, "preview": preview, "state": state, "timestart": start, "timefinish": end,
                "timemodified": end, "timemodifiedoffline": 0, "timecheckstate": None, "sumgrades": _number(marks),
                "gradednotificationsenttime": end,
            }
            for number, nth, preview, state, start, end, marks in rows
        ],
        "warnings": [],
    }  # fmt: skip


_POSTS = (
    "SELECT id, discussion, parent, userid, created, modified, subject, message, wordcount, charcount "
    "FROM mdl_forum_posts"
)


def _posts(site: FakeMoodle, where: str) -> list[dict[str, Any]]:
    return [_post(site, row) for row in site.ask(f"{_POSTS} WHERE {where} ORDER BY id")]


def _post(site: FakeMoodle, row: Sequence[Any]) -> dict[str, Any]:
    number, discussion, parent, author, created, modified, subject, message, words, characters = row
    shown = site.moods.displays_word_counts
    named = (
        ()
        if not site.moods.tags
        else site.ask(
            "SELECT i.id, t.id, t.rawname FROM mdl_tag_instance i JOIN mdl_tag t ON t.id = i.tagid "
            f"WHERE i.itemtype = 'forum_posts' AND i.itemid = {number} ORDER BY i.id"
        )
    )
    tags = [{"id": one, "tagid": tag, "isstandard": False, "displayname": escape(name), "flag": False, "urls": {}}
            for one, tag, name in named]  # fmt: skip
    return {
        "id": number, "subject": subject, "replysubject": f"Re: {subject}", "message": message, "messageformat": 1,
        "author": {"id": author, "fullname": "", "isdeleted": False, "groups": [], "urls": {}},
        "discussionid": discussion, "hasparent": bool(parent), "parentid": parent or None, "timecreated": created,
        "timemodified": modified, "unread": None, "isdeleted": False, "isprivatereply": False, "haswordcount": shown,
        "wordcount": words if shown else None, "charcount": characters if shown else None,
        "capabilities": {"view": True}, "urls": None, "attachments": [], "messageinlinefiles": [], "tags": tags,
        "html": None,
    }  # fmt: skip


def _discussion_post(site: FakeMoodle, form: Mapping[str, str]) -> Any:
    posts = _posts(site, f"id = {int(form['postid'])}")
    if not posts:
        raise MoodleError("invalidrecord", "dml_missing_record_exception")
    return {"post": posts[0], "warnings": []}


def _discussion_posts(site: FakeMoodle, form: Mapping[str, str]) -> Any:
    discussion = int(form["discussionid"])
    posts = _posts(site, f"discussion = {discussion}")
    if not posts:
        raise MoodleError("invalidrecord", "dml_missing_record_exception")
    counted = site.ask(
        "SELECT p.id, COUNT(r.id) FROM mdl_forum_posts p LEFT JOIN mdl_rating r ON r.itemid = p.id "
        f"AND r.component = 'mod_forum' AND r.ratingarea = 'post' WHERE p.discussion = {discussion} GROUP BY p.id"
    )
    ratings = [
        {"itemid": post, "scaleid": 10, "userid": 0, "count": count, "canrate": False} for post, count in counted
    ]
    (scale,) = site.ask(
        f"SELECT f.scale FROM mdl_forum f JOIN mdl_forum_discussions d ON d.forum = f.id WHERE d.id = {discussion}"
    ) or [(0,)]
    items = [{"value": place, "name": word} for place, word in _scale(site, scale[0]).items()]
    scales = [{"id": -scale[0], "max": len(items), "isnumeric": False, "items": items}] if items else []
    info = {"contextid": 0, "component": "mod_forum", "ratingarea": "post", "scales": scales, "ratings": ratings}
    return {"posts": posts, "forumid": 0, "courseid": 0, "ratinginfo": info, "warnings": []}


def _forums(site: FakeMoodle, form: Mapping[str, str]) -> Any:
    courses = ", ".join(str(int(value)) for name, value in form.items() if name.startswith("courseids["))
    rows = site.ask(
        "SELECT f.id, f.course, f.name, f.assessed, f.scale, cm.id FROM mdl_forum f "
        "JOIN mdl_modules m ON m.name = 'forum' JOIN mdl_course_modules cm ON cm.module = m.id AND cm.instance = f.id "
        f"AND cm.course = f.course WHERE f.course IN ({courses})"
    )
    return [
        {
            "id": forum,
            "course": course,
            "type": "general",
            "name": name,
            "assessed": assessed,
            "scale": scale,
            "cmid": cm,
        }
        for forum, course, name, assessed, scale, cm in rows
    ]


def _discussions(site: FakeMoodle, form: Mapping[str, str]) -> Any:
    first = int(form["page"]) * int(form["perpage"])
    rows = site.ask(
        f"SELECT id, firstpost, name, userid FROM mdl_forum_discussions WHERE forum = {int(form['forumid'])} "
        f"ORDER BY id LIMIT {int(form['perpage'])} OFFSET {first}"
    )
    return {
        "discussions": [
            {"id": post, "name": name, "discussion": number, "parent": 0, "userid": user, "subject": name}
            for number, post, name, user in rows
        ],
        "warnings": [],
    }


def _scale(site: FakeMoodle, scale: int) -> Mapping[int, str]:
    """The words of a scale of words by their places, as Moodle's `make_menu_from_list` has them."""
    if scale >= 0:
        return {}
    ((words,),) = site.ask(f"SELECT scale FROM mdl_scale WHERE id = {-scale}")
    return dict(enumerate(map(str.strip, words.split(",")), 1))


def _ratings(site: FakeMoodle, form: Mapping[str, str]) -> Any:
    most = int(form["scaleid"])
    menu = _scale(site, most) or {points: f"{points} / {most}" for points in range(most + 1)}
    rows = site.ask(
        "SELECT id, userid, rating, timemodified FROM mdl_rating WHERE component = 'mod_forum' "
        f"AND ratingarea = 'post' AND itemid = {int(form['itemid'])} ORDER BY timemodified"
    )
    return {
        "ratings": [
            {
                "id": number, "userid": user, "userpictureurl": "", "userfullname": "",
                "rating": menu[min(rating, max(menu))],
                "timemodified": at,
            }
            for number, user, rating, at in rows
        ],
        "warnings": [],
    }  # fmt: skip


def _enrolled(site: FakeMoodle, form: Mapping[str, str]) -> Any:
    course = int(form["courseid"])
    options = {form[f"options[{n}][name]"]: form[f"options[{n}][value]"] for n in range(4)}
    users = site.ask(
        "SELECT DISTINCT ue.userid FROM mdl_user_enrolments ue JOIN mdl_enrol e ON e.id = ue.enrolid "
        f"WHERE e.courseid = {course} ORDER BY ue.userid LIMIT {int(options['limitnumber'])} "
        f"OFFSET {int(options['limitfrom'])}"
    )
    roles: dict[int, list[dict[str, Any]]] = {}
    for user, role, short in site.ask(
        "SELECT ra.userid, r.id, r.shortname FROM mdl_role_assignments ra JOIN mdl_role r ON r.id = ra.roleid "
        f"JOIN mdl_context x ON x.id = ra.contextid WHERE x.contextlevel = 50 AND x.instanceid = {course} "
        "ORDER BY ra.id"
    ):
        roles.setdefault(user, []).append({"roleid": role, "name": "", "shortname": short, "sortorder": 0})
    shown = {user for user, held in roles.items() if any(one["shortname"] == "editingteacher" for one in held)}
    return [
        {"id": user, "fullname": "", "roles": roles.get(user, [])}
        for (user,) in users
        if user in shown or not site.moods.shy
    ]


def _listed(form: Mapping[str, str], name: str) -> str:
    return ", ".join(str(int(value)) for key, value in form.items() if key.startswith(f"{name}[")) or "-1"


def _assignments(site: FakeMoodle, form: Mapping[str, str]) -> Any:
    if form.get("includenotenrolledcourses") != "1":
        return {"courses": [], "warnings": []}  # the token's user is enrolled nowhere
    rows = site.ask(f"SELECT id, course, name, duedate FROM mdl_assign WHERE course IN ({_listed(form, 'courseids')})")
    return {
        "courses": [
            {
                "id": course, "fullname": "", "shortname": "", "timemodified": 0,
                "assignments": [
                    {
                        "id": number, "cmid": 0, "course": of, "name": name, "nosubmissions": 0, "submissiondrafts": 0,
                        "duedate": due, "allowsubmissionsfromdate": 0, "grade": 100, "timemodified": 0, "cutoffdate": 0,
                        "gradingduedate": 0, "teamsubmission": 0, "maxattempts": -1, "configs": [],
                    }
                    for number, of, name, due in rows
                    if of == course
                ],
            }
            for course in sorted({row[1] for row in rows})
        ],
        "warnings": [],
    }  # fmt: skip


def _submission(row: Sequence[Any]) -> dict[str, Any]:
    number, assignment, user, nth, status = row
    return {
        "id": number, "userid": user, "attemptnumber": nth, "timecreated": 0, "timemodified": 0, "timestarted": None,
        "status": status, "groupid": 0, "assignment": assignment, "latest": 1, "plugins": [],
    }  # fmt: skip


def _submission_status(site: FakeMoodle, form: Mapping[str, str]) -> Any:
    assignment, user = int(form["assignid"]), int(form["userid"])
    rows = site.ask(
        "SELECT id, assignment, userid, attemptnumber, status FROM mdl_assign_submission "
        f"WHERE assignment = {assignment} AND userid = {user} ORDER BY attemptnumber"
    )
    extended = site.ask(
        f"SELECT extensionduedate FROM mdl_assign_user_flags WHERE assignment = {assignment} AND userid = {user}"
    )
    made = [_submission(row) for row in rows]
    last: dict[str, Any] = {
        **({"submission": made[-1]} if made else {}), "submissiongroupmemberswhoneedtosubmit": [],
        "submissionsenabled": True, "locked": False, "graded": False, "canedit": False, "caneditowner": False,
        "cansubmit": False, "extensionduedate": extended[0][0] if extended else 0, "timelimit": 0,
        "blindmarking": False, "gradingstatus": "notgraded", "usergroups": [],
    }  # fmt: skip
    earlier = [{"attemptnumber": one["attemptnumber"], "submission": one} for one in made[:-1]]
    return {"lastattempt": last, **({"previousattempts": earlier} if earlier else {}), "warnings": []}


def _cohorts(site: FakeMoodle, _: Mapping[str, str]) -> Any:
    return [
        {"id": number, "name": name, "idnumber": idnumber, "description": "", "descriptionformat": 1, "visible": True}
        for number, name, idnumber in site.ask("SELECT id, name, idnumber FROM mdl_cohort")
    ]


def _cohort_members(site: FakeMoodle, form: Mapping[str, str]) -> Any:
    numbers = _listed(form, "cohortids")
    rows = site.ask(f"SELECT cohortid, userid FROM mdl_cohort_members WHERE cohortid IN ({numbers})")
    wanted = [int(value) for key, value in form.items() if key.startswith("cohortids[")]
    return [{"cohortid": one, "userids": [user for cohort, user in rows if cohort == one]} for one in wanted]


def _users(site: FakeMoodle, form: Mapping[str, str]) -> Any:
    """Whoever was deleted has no context any more once Moodle cleaned up: then the whole question is refused."""
    wanted = _listed(form, "values")
    rows = site.ask(f"SELECT id, username, email, suspended, deleted FROM mdl_user WHERE id IN ({wanted})")
    gone = {number: f"{email}.1795363965" for number, _, email, _, deleted in rows if int(deleted)}
    if gone and site.moods.cleaned:
        raise MoodleError("invaliduser", "moodle_exception")
    return [
        {"id": number, "fullname": "", "profileimageurl": "", "username": gone.get(number, username),
         "email": md5(gone[number].encode(), usedforsecurity=False).hexdigest() if number in gone else email,
         "suspended": bool(int(suspended))}
        for number, username, email, suspended, _ in rows
    ]  # fmt: skip


def _open_posts(site: FakeMoodle, form: Mapping[str, str]) -> Any:
    rows = site.ask(
        "SELECT id, discussion, parent, userid, created, modified, message FROM mdl_hsuforum_posts "
        f"WHERE discussion = {int(form['discussionid'])}"
    )
    if not rows:
        raise MoodleError("invalidrecord", "dml_missing_record_exception")
    return {
        "posts": [
            {
                "id": number, "discussion": discussion, "parent": parent, "userid": user, "created": created,
                "modified": modified, "mailed": 0, "subject": "", "message": message, "messageformat": 1,
                "messagetrust": 0, "attachment": "", "totalscore": 0, "mailnow": 0, "children": [], "canreply": False,
                "postread": False, "userfullname": "",
            }
            for number, discussion, parent, user, created, modified, message in rows
        ],
        "warnings": [],
    }  # fmt: skip


Function = Callable[[FakeMoodle, Mapping[str, str]], Any]
FUNCTIONS: Mapping[str, Function] = {
    "core_webservice_get_site_info": _site_info,
    "core_course_get_courses_by_field": _courses,
    "core_course_get_categories": _categories,
    "core_course_get_contents": _contents,
    "core_completion_get_activities_completion_status": _activities,
    "core_completion_get_course_completion_status": _course_completion,
    "gradereport_user_get_grade_items": _grade_items,
    "mod_quiz_get_quizzes_by_courses": _quizzes,
    "mod_quiz_get_user_attempts": _attempts,
    "mod_forum_get_discussion_post": _discussion_post,
    "mod_forum_get_discussion_posts": _discussion_posts,
    "mod_forum_get_forums_by_courses": _forums,
    "mod_forum_get_forum_discussions": _discussions,
    "core_rating_get_item_ratings": _ratings,
    "mod_assign_get_assignments": _assignments,
    "mod_assign_get_submission_status": _submission_status,
    "core_cohort_get_cohorts": _cohorts,
    "core_cohort_get_cohort_members": _cohort_members,
    "core_user_get_users_by_field": _users,
    "mod_hsuforum_get_forum_discussion_posts": _open_posts,
    "core_enrol_get_enrolled_users": _enrolled,
    "core_enrol_get_users_courses": _users_courses,
}
"""What a Moodle 4.5 has of what is asked; the successor of one of them came with 5.0."""


@asynccontextmanager
async def fake_moodle(ask: Ask) -> AsyncIterator[FakeMoodle]:
    """A site that listens on a free port of this machine."""
    site = FakeMoodle(ask)
    app = web.Application()
    app.router.add_post(ENDPOINT, site.handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        listening = web.TCPSite(runner, "127.0.0.1", 0)
        await listening.start()
        site.url = str(URL.build(scheme="http", host="127.0.0.1", port=runner.addresses[0][1]))
        yield site
    finally:
        await runner.cleanup()


def asking(site: FakeMoodle, **changes: Any) -> WebServiceOptions:
    """How it is asked."""
    options: dict[str, Any] = {
        "name": "ws", "site": "moodle", "url": site.url, "token": lambda: Secret(WS_TOKEN), "requests_per_s": 100.0,
        "site_admins": frozenset({2}), "place": "config.toml: [[source]] ws", "start_at": "beginning",
        "staff_roles": frozenset({"manager", "coursecreator", "editingteacher", "teacher"}), **changes,
    }  # fmt: skip
    return WebServiceOptions(**options)


def bodies_of(rows: Iterable[Sequence[Any]]) -> list[bytes]:
    """The post of each log row (`ROW`), as the manual's template of tool_trigger writes it."""
    return [_body(row) for row in rows]


def _body(row: Sequence[Any]) -> bytes:
    names = [name.strip() for name in ROW.split(",")]
    said = dict(zip(names, row, strict=True))
    other = moodle.decode_other(said.pop("other"), OTHERS)
    said.pop("id")
    fields = {name: "" if value is None else str(value) for name, value in said.items()}
    for key in OTHERS:
        value = other.get(key)
        written = "" if value is None or value is False else "1" if value is True else str(value)
        fields[f"other_{key}"] = written if key in other else f"{{other_{key}}}"
    return json.dumps({name: quote_plus(value, safe="{}") for name, value in fields.items()}).encode()


OTHERS = (
    "completionstate", "finalgrade", "itemid", "discussionid", "enrol", "overridden", "overrideby", "tagname",
    "itemtype", "newstatus",
)  # fmt: skip
"""What the template takes out of `other`."""


def demanding(demand: Demand, *facts: str) -> Demand:
    """The same demand for these facts alone."""
    return Demand(
        rules_version=demand.rules_version,
        names=demand.names,
        suffixes=demand.suffixes,
        facts=frozenset(facts),
        patterns=demand.patterns,
    )
