"""Which columns of Moodle's tables are read besides the log's; a test reads the queries and compares."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

_TABLES = """
assign: duedate id
assign_overrides: assignid duedate groupid id sortorder userid
assign_submission: assignment attemptnumber id
assign_user_flags: assignment extensionduedate userid
assignsubmission_file: numfiles submission
assignsubmission_onlinetext: onlinetext submission
badge: courseid id
badge_issued: badgeid dateissued id userid
cohort: id idnumber name
cohort_members: cohortid timeadded userid
context: contextlevel id instanceid path
course: category id idnumber shortname startdate
course_categories: id name path
course_completions: course id timecompleted userid
course_modules: added completion completionexpected course deletioninprogress id instance module section
course_modules_completion: completionstate coursemoduleid id overrideby timemodified userid
course_sections: course id
enrol: courseid id
forum_discussions: course firstpost id
forum_posts: discussion id message parent userid
grade_grades: finalgrade hidden id itemid overridden timemodified userid
grade_items: courseid grademax grademin gradepass hidden id iteminstance itemmodule itemnumber itemtype
  timecreated timemodified
groups_members: groupid userid
modules: id name
quiz: id sumgrades timeclose
quiz_attempts: attempt id preview quiz state sumgrades userid
quiz_overrides: groupid quiz timeclose userid
rating: component contextid id itemid rating ratingarea scaleid timemodified userid
role: archetype id shortname
role_assignments: contextid roleid userid
scale: id scale
tag: id name
tag_instance: id itemid itemtype tagid
user: deleted email id idnumber suspended timemodified username
user_enrolments: enrolid timecreated timestart userid
user_info_data: data fieldid userid
user_info_field: id shortname
"""

COLUMNS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        table: tuple(names.split())
        for table, _, names in (line.partition(":") for line in _TABLES.replace("\n  ", " ").split("\n") if line)
    }
)
"""Table (without prefix) → what is read of it; without it facts are lost."""
