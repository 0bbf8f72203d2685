"""Who is on the embedded campus and what is taught there. Data; any likeness is chance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

GUEST, ADMIN, TEACHER, TUTOR = 1, 2, 3, 4
FIRST_LEARNER = 11

STAFF_NAMES: tuple[tuple[int, str, str, str], ...] = (
    (GUEST, "guest", "Guest user", " "),
    (ADMIN, "admin", "Ada", "Administrator"),
    (TEACHER, "t.mokoena", "Thandi", "Mokoena"),
    (TUTOR, "p.brandt", "Pieter", "Brandt"),
)
"""(id, username, first name, last name)."""

LEARNER_NAMES: tuple[tuple[str, str], ...] = (
    *(("Aisha", "Adams"), ("Bongani", "Baloyi"), ("Carla", "Coetzee"), ("Dineo", "Dlamini"), ("Emre", "Ebrahim")),
    *(("Fatima", "Fakier"), ("Gugu", "Gumede"), ("Hannes", "Hendricks"), ("Ilse", "Isaacs"), ("Jabu", "Jacobs")),
    *(("Karabo", "Khumalo"), ("Lindiwe", "Langa"), ("Musa", "Mabaso"), ("Naledi", "Naidoo"), ("Onke", "October")),
    *(("Palesa", "Pillay"), ("Qiniso", "Qwabe"), ("Refilwe", "Radebe"), ("Sipho", "Sithole"), ("Tumi", "Tshabalala")),
    *(("Unathi", "Umar"), ("Vusi", "Van Wyk"), ("Wandile", "Williams"), ("Xolani", "Xaba"), ("Yusuf", "Yaseen")),
    *(("Zanele", "Zulu"), ("Anneke", "Botha"), ("Björn", "Åkesson"), ("Chloé", "Dubois"), ("Daniel", "O'Brien")),
    *(("Elena", "Petrova"), ("Farid", "Haddad"), ("Grace", "Okafor"), ("Hugo", "Silva"), ("Ines", "Moreau")),
    *(("Jonas", "Weber"), ("Kavya", "Reddy"), ("Luca", "Rossi"), ("Mei", "Lin"), ("Noah", "Kim")),
)
"""First and last names of the forty learners; the first of them has id `FIRST_LEARNER`."""

Module = Literal["page", "quiz", "assign", "forum", "feedback"]

MODULES: dict[Module, int] = {"assign": 1, "feedback": 7, "forum": 9, "page": 16, "quiz": 18}
"""Module names and the ids Moodle happens to give them."""

CATEGORIES: tuple[tuple[int, str, int], ...] = ((2, "Health", 0), (3, "Nursing", 2), (4, "Safety", 0))
"""(id, name, parent)."""

NEXT_WEEK: tuple[tuple[Module, str], ...] = (
    ("page", "To read"),
    ("page", "To watch"),
    ("quiz", "What stayed?"),
    ("page", "To take home"),
)
"""What a teacher adds when a class has finished everything."""

QUIZ_MARKS = 10
"""The sum of marks of every quiz."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CoursePlan:
    """One course; each section is (name, activities) and each activity (module, name)."""

    shortname: str
    fullname: str
    idnumber: str
    category: int
    sections: tuple[tuple[str, tuple[tuple[Module, str], ...]], ...]


COURSES: tuple[CoursePlan, ...] = (
    CoursePlan(
        shortname="BIO101",
        fullname="The Human Body",
        idnumber="HS-101",
        category=3,
        sections=(
            ("Cells", (("page", "What is a cell?"), ("page", "Membranes"), ("quiz", "Cells quiz"))),
            ("Blood", (("page", "The heart"), ("page", "Vessels"), ("assign", "Case notes"), ("quiz", "Blood quiz"))),
            ("Talk", (("forum", "Questions and answers"), ("feedback", "How was it?"))),
        ),
    ),
    CoursePlan(
        shortname="CARE201",
        fullname="Patient Care in Practice",
        idnumber="HS-201",
        category=3,
        sections=(
            ("First contact", (("page", "Listening"), ("page", "Consent"), ("quiz", "Consent quiz"))),
            ("The ward", (("page", "Hygiene"), ("page", "Handover"), ("assign", "Handover plan"))),
            ("Reflection", (("forum", "Ward diary"), ("quiz", "Final quiz"))),
        ),
    ),
    CoursePlan(
        shortname="FIRE01",
        fullname="Fire Safety",
        idnumber="SF-001",
        category=4,
        sections=(
            ("Before", (("page", "Know the exits"), ("page", "Extinguishers"))),
            ("During", (("page", "Raise the alarm"), ("quiz", "Fire quiz"))),
        ),
    ),
    CoursePlan(
        shortname="DATA10",
        fullname="Data Literacy & Privacy",
        idnumber="",
        category=2,
        sections=(
            ("Numbers", (("page", "Reading a chart"), ("page", "Averages"), ("quiz", "Numbers quiz"))),
            ("Privacy", (("page", "What is personal?"), ("forum", "Would you share it?"), ("assign", "A policy"))),
        ),
    ),
)

POSTS: tuple[str, ...] = (
    "I think the key idea is that small habits practised every day matter more than one long evening before the test.",
    "In our ward we tried the handover checklist and it saved us about ten minutes on every shift this week.",
    "Could somebody explain why the pressure drops there? The picture in the second lesson confused me a little.",
    "The example with the two charts convinced me: the average hid what really happened to the smaller group.",
    "Thank you, that helped! I would add that asking the patient first is not only polite, it is the rule.",
    "For me the hardest part was the vocabulary, so I made cards and now I repeat ten of them on the bus.",
)
"""Posts worth reading."""

SHORT_POSTS: tuple[str, ...] = ("ok", ".", "thanks", "me too", "+1")
"""Posts that are not."""
