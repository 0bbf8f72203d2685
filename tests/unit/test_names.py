"""What means nothing of the names in rules, told where there is one source and where there are several."""

from __future__ import annotations

from agent.collectors.logstore.names import Named, unknown
from agent.model import Selector


def course(name: str, programme: str = "") -> Selector:
    return Selector(by="courses", name=name, where=f"rules.toml:4:{len(name)}", programme=programme)


def source(**means: tuple[str, ...]) -> list[Named]:
    """Courses of the programme p, by name, and what each means there."""
    return [Named(selector=course(name, "p"), means=meaning) for name, meaning in means.items()]


A = ("7 (A)",)


def test_a_programme_lacks_a_course_where_its_others_are() -> None:
    (one,) = unknown({"moodle": source(a=A, b=())})
    assert one.told() == (
        "rules.toml:4:1: 'b' is none of the courses in moodle: nobody there can complete the programme p"
    )


def test_a_programme_of_which_no_source_has_a_course_is_told_of_each() -> None:
    one, other = unknown({"moodle": source(nope=(), none=())})
    assert (one.alone, other.alone) == (True, True)
    assert one.told("there") == (
        "rules.toml:4:4: 'nope' is none of the courses there, nor is any other of the programme p known:"
        " nobody can complete it"
    )
    assert len(list(unknown({"arts": source(nope=()), "law": source(nope=())}))) == 2


def test_a_programme_of_another_site_lacks_nothing_here() -> None:
    assert list(unknown({"arts": source(a=A, b=A), "law": source(a=(), b=())})) == []
    (one,) = unknown({"arts": source(a=A, b=()), "law": source(a=(), b=())})
    assert (one.source, one.selector.name) == ("arts", "b")


def test_a_course_of_one_source_is_unknown_in_no_other() -> None:
    named, elsewhere = course("a"), course("gone")
    here = [Named(selector=named, means=A), Named(selector=elsewhere, means=())]
    there = [Named(selector=named, means=()), Named(selector=elsewhere, means=())]
    assert [(one.source, one.selector.name) for one in unknown({"arts": here, "law": there})] == [
        ("arts", "gone"),
        ("law", "gone"),
    ]


def test_a_source_that_says_nothing_may_have_it() -> None:
    assert list(unknown({"arts": source(nope=()), "law": []})) == []
    assert list(unknown({})) == []
