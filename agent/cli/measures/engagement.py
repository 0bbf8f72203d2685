"""`rewards-agent measures engagement`: activity, retention, momentum by week; the way through each course."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import date
from typing import TYPE_CHECKING, Any

import typer

from agent.cli.frame import ConfigOption, JsonOption, emit, emit_json, emit_one, note
from agent.cli.measures.asked import (
    LEAST_USUAL,
    PRAISE_USUAL,
    Asked,
    CsvOption,
    DaysOption,
    LeastOption,
    PraiseOption,
    UntilDayOption,
    WindowOption,
    asked,
    day_text,
    hidden,
    last_days,
    number,
    remark_missing,
)
from agent.measures.act import COMPLETED, ENROLLED, LESSON, POSTED

if TYPE_CHECKING:
    from agent.measures.activity import Activity
    from agent.measures.courses import Course

WEEK_SHOWN = {
    "week": "week", "active": "active", "lessons": "lessons", "momentum": "momentum", "rising": "rising",
    "falling": "falling", "begun": "begun", "returned_%": "returned_pct",
}  # fmt: skip
COURSE_SHOWN = {
    "course": "course", "entered": "entered", "3_lessons": "three_lessons", "through": "then_completed",
    "done_%": "completed_pct", "in_time_%": "in_time_pct", "posts": "posts", "constr._%": "constructive_pct",
}  # fmt: skip
"""What tables show, so that they fit a screen: heading → figure."""
LONG_COLUMNS = ("measure", "since", "until", "group", "learners", "count", "of", "value")


def engagement(
    *,
    days: DaysOption = 28,
    until: UntilDayOption = None,
    window: WindowOption = "",
    praise: PraiseOption = PRAISE_USUAL,
    least: LeastOption = LEAST_USUAL,
    csv: CsvOption = False,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Show how active learners are, whether they come back, and how far they come in each course.

    Active is who did something themselves that is recorded. A lesson counts once, when its learner first completed it.
    Of those who began in a week, returned are those who completed a lesson on the seventh day after their first or
    later. Momentum is 100 × L ÷ (L + M), L lessons of the week and M those of a mean week of the four before: 50 is as
    before. Of those who entered a course in these days, 3 lessons, through (these, and the course) and done (the
    course) are as of the last day. In time is by due dates, else within the window after enrolment; constr. is
    constructive posts. Figures of few learners are not shown; --csv is a long table of all.

    Example: rewards-agent measures engagement --days 91 --until 2026-09-30
    """
    with asked(config, last_days(days, until), window=window, praise=praise) as found:
        told = _told(found, least)
        missing = remark_missing(found.read, (ENROLLED, LESSON, COMPLETED, POSTED))
    if json:
        emit_json({**told, "not_recorded": missing})
    elif csv:
        from agent.cli.terms.sheets import write_csv

        write_csv(_long(told), LONG_COLUMNS, sys.stdout.buffer)
    else:
        _show(told, least)


def _told(found: Asked, least: int) -> dict[str, Any]:
    """All of it, as `--json` prints it."""
    from agent.measures.activity import activity
    from agent.measures.courses import courses, shown, together

    past, every = found.read.past, activity(found.read.past)
    listed = courses(past)
    return {
        "since": found.first.isoformat(),
        "until": found.last.isoformat(),
        "days": len(every.days),
        "least": least,
        "activity": _activity(every, least),
        "by_day": [
            hidden(
                {"day": day_text(one.day), "active": one.learners, "lessons": one.lessons},
                "active",
                least,
                ("lessons",),
            )
            for one in every.days
        ],
        "weeks": list(_weeks(found, least)),
        "courses": [_course(one, found.read.title(one.course), least) for one in listed],
        "all_courses": _course(together(shown(one, least) for one in listed), "those shown", least),
    }


def _activity(every: Activity, least: int) -> dict[str, Any]:
    row = {
        "active_learners": every.learners,
        "daily_active_learners": number(every.daily),
        "busiest_day": every.busiest,
        "lessons": every.lessons,
        "lessons_per_active_day": number(every.lessons_a_visit),
        "active_days": every.visits,
    }
    return hidden(row, "active_learners", least, tuple(name for name in row if name != "active_learners"))


def _weeks(found: Asked, least: int) -> Iterator[dict[str, Any]]:
    """What each week of the span was; the momentum of whole ones."""
    from agent.measures.activity import weekly
    from agent.measures.momentum import momentum
    from agent.measures.returning import returning

    past = found.read.past
    scored = {one.week: one for one in momentum(past, found.week_of)}
    begun = {one.week: one for one in returning(past, found.week_of)}
    for week, active in weekly(past, found.week_of).items():
        one, first = scored.get(week), begun.get(week)
        moving = {
            "moving": one.learners if one else 0,
            "lessons": one.lessons if one else None,
            "lessons_before": one.before if one else None,
            "momentum": number(one.score) if one else None,
            "rising": one.rising if one else None,
            "falling": one.falling if one else None,
        }
        back = {
            "begun": first.learners if first else 0,
            "returned": first.returned if first else 0,
            "returned_pct": number(first.pct) if first else None,
        }
        yield {
            "week": day_text(week),
            "active": active if active == 0 or active >= least else f"<{least}",
            **hidden(moving, "moving", least, ("lessons", "lessons_before", "momentum", "rising", "falling")),
            **hidden(back, "begun", least, ("returned", "returned_pct")),
            "too_early": first.too_early if first and first.too_early >= least else None,
        }


def _course(one: Course, title: str, least: int) -> dict[str, Any]:
    way = {
        "entered": one.entered,
        "enrolled": one.enrolled,
        "three_lessons": one.some,
        "three_lessons_pct": number(one.some_pct),
        "then_completed": one.through,
        "then_completed_pct": number(one.through_pct),
        "completed": one.completed,
        "completed_pct": number(one.completed_pct),
    }
    timely = {
        "workers": one.workers,
        "timed": one.timed,
        "in_time": one.in_time,
        "in_time_pct": number(one.in_time_pct),
    }
    words = {
        "posters": one.posters,
        "posts": one.posts,
        "constructive": one.praised,
        "constructive_pct": number(one.praised_pct),
    }
    return {
        "course": title or "(none)",
        "number": one.course,
        **hidden(way, "entered", least, tuple(name for name in way if name != "entered")),
        **hidden(timely, "workers", least, ("timed", "in_time", "in_time_pct")),
        **hidden(words, "posters", least, ("posts", "constructive", "constructive_pct")),
    }


def _show(told: dict[str, Any], least: int) -> None:
    note(f"{told['since']} to {told['until']}; figures of fewer than {least} learners are not shown")
    typer.echo("\nActivity")
    emit_one({name: _short(value) for name, value in told["activity"].items()}, json=False)
    for heading, rows, columns in (
        ("By week", told["weeks"], WEEK_SHOWN),
        ("By course", [*told["courses"], told["all_courses"]], COURSE_SHOWN),
    ):
        typer.echo(f"\n{heading}")
        shown = [{head: _short(row[name]) for head, name in columns.items()} for row in rows]
        emit(shown, tuple(columns), json=False, empty="  nothing")


def _short(value: Any) -> Any:
    """A figure to one place."""
    return f"{value:.1f}" if isinstance(value, float) else value


def _long(told: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every figure as a row of one shape; what is not shown is empty."""
    span = {"since": told["since"], "until": told["until"]}
    for row in told["by_day"]:
        day = {"since": row["day"], "until": row["day"], "learners": _whole(row["active"])}
        yield {**day, "measure": "active_learners", "value": day["learners"]}
        yield {**day, "measure": "lessons", "count": row["lessons"], "value": row["lessons"]}
    for row in told["weeks"]:
        days = {"since": row["week"], "until": day_text(date.fromisoformat(row["week"]).toordinal() + 6)}
        for measure, learners, count, of, value in _OF_A_WEEK:
            figures = {
                "learners": _whole(row[learners]),
                "count": row[count],
                "of": _whole(row[of]),
                "value": row[value],
            }
            yield {**days, **figures, "measure": measure}
    for row in (*told["courses"], told["all_courses"]):
        for measure, learners, count, of in _OF_A_COURSE:
            figures = {"learners": _whole(row[learners]), "count": row[count], "of": _whole(row[of])}
            yield {**span, **figures, "measure": measure, "group": row["course"], "value": row[f"{count}_pct"]}


_OF_A_WEEK = (
    ("momentum", "moving", "lessons", "lessons_before", "momentum"),
    ("returned_after_7_days", "begun", "returned", "begun", "returned_pct"),
)
_OF_A_COURSE = (
    ("three_lessons", "entered", "three_lessons", "entered"),
    ("then_completed", "entered", "then_completed", "three_lessons"),
    ("completed", "entered", "completed", "entered"),
    ("in_time", "workers", "in_time", "timed"),
    ("constructive", "posters", "constructive", "posts"),
)


def _whole(value: Any) -> int | None:
    """A count, or nothing where it is not shown."""
    return value if isinstance(value, int) else None
