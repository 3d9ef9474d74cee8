"""The news in a report, each worth a line of its own: a milestone, a busiest day, a spike, a silence."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from statistics import median

from counter.mail_text import day_month, page_views
from counter.past import DAY, Past, Span, dates
from counter.tally import Tally

QUIET_DAYS = 7
SPIKE_TIMES, SPIKE_VIEWS, USUAL_DAYS = 3, 20, 28


def silence(tally: Tally, past: Past, now: datetime) -> str:
    """A warning if nothing was counted yet, or for days; otherwise an empty text."""
    if tally.pageviews == 0:
        return "Nothing has been counted yet. Is the snippet on the page?"
    start = past.today - DAY * QUIET_DAYS
    updated = tally.updated_at if past.first is None else None
    long_ago = updated is not None and updated < now.timestamp() - QUIET_DAYS * DAY.total_seconds()
    if past.sum(start, past.today) or not (past.knows(start) or long_ago):
        return ""
    return f"Nothing was counted for {QUIET_DAYS} days. Is the snippet still on the page?"


def news(tally: Tally, past: Past, span: Span) -> Iterator[str]:
    """What happened in `span`: a milestone, a busiest day, a spike."""
    views, _ = past.of(span)
    if not views:
        return
    total = tally.pageviews - past.sum(past.today, past.today) - past.sum(span.end + DAY, past.yesterday)
    milestones = [number * 10**zeros for zeros in range(2, 16) for number in (1, 5)]
    if passed := [number for number in milestones if total - views < number <= total]:
        yield f"A milestone: {passed[-1]:,} page views in all, passed {span.inside}."
    most, busiest = max((past.sum(day, day), day) for day in dates(span.start, span.end))
    when = "Yesterday" if span.start == span.end else f"{busiest:%A}, {day_month(busiest)},"
    earlier = [date.fromisoformat(day) for day in tally.days if day < str(busiest)]
    as_busy = [day for day in earlier if past.sum(day, day) >= most]
    if not as_busy and past.is_whole and len(earlier) >= USUAL_DAYS:
        yield f"{when} was the busiest day of all, with {page_views(most)}."
    elif as_busy and (busiest - max(as_busy)).days > USUAL_DAYS:
        since = max(as_busy)
        yield f"{when} was the busiest day since {day_month(since)} {since.year}, with {page_views(most)}."
    start = busiest - DAY * USUAL_DAYS
    usual = median(past.sum(day, day) for day in dates(start, busiest - DAY))
    if past.existed(start) and most > SPIKE_VIEWS and most > SPIKE_TIMES * usual:
        yield f"{when} had {page_views(most)}, and a usual day {usual:g}: did somebody link to the site?"
