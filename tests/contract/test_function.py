"""What the counter is there for: visits, looks, the picture, its health, the owner's numbers, its report."""

import re
import time
from datetime import UTC, datetime, timedelta

import pytest
from contract.caller import Answer, Caller
from contract.counter import ESTIMATE, STRANGER, Counter, Visits

DAY = re.compile(r"\d{4}-\d\d-\d\d")
NEAR = 300
"""Seconds by which two good clocks may differ."""


# Visits


def test_a_visit_is_counted(counter: Counter, visits: Visits) -> None:
    """A visit is in the page views right after it."""
    for visit in visits.all:
        assert visit.page_views == 1 if counter.alone else visit.page_views >= 1


def test_a_visit_is_counted_once(visits: Visits) -> None:
    """No visit is counted twice: among several there is one by which the page views grew by one."""
    assert min(visit.page_views for visit in visits.all) == 1


def test_a_visit_is_answered_as_counted(visits: Visits) -> None:
    """The answer to a visit says that it is counted, and gives no reason why not."""
    for visit in visits.all:
        answer = visit.answer
        assert answer.status == 200
        assert answer.told["ok"] is True
        assert answer.told["counted"] is True
        assert "reason" not in answer.told


def test_a_visit_is_answered_with_the_totals(visits: Visits) -> None:
    """The answer to a visit has the totals with that visit in them."""
    for visit in visits.all:
        told = visit.answer.told
        assert visit.before.count < told["count"] <= visit.after.count
        assert visit.before.unique <= told["unique"] <= visit.after.unique


def test_a_visit_has_an_older_page_s_members(visits: Visits) -> None:
    """The answer to a visit begins with the count, and says success and when it was given."""
    for visit in visits.all:
        told = visit.answer.told
        assert next(iter(told)) == "count"
        assert told["status"] == "success"
        assert abs(datetime.now(UTC) - datetime.fromisoformat(told["timestamp"])) < timedelta(seconds=NEAR)


def test_a_visit_shows_what_came_lately(visits: Visits) -> None:
    """The answer to a visit has the page views of the day, the week and the month, with that visit in them."""
    for visit in visits.all:
        told = visit.answer.told
        assert 1 <= told["today"]["count"] <= told["week"]["count"]
        assert told["today"]["count"] <= told["month"]["count"] <= told["count"]


def test_a_visit_is_just_now(visits: Visits) -> None:
    """The answer to a visit says that the totals changed just now."""
    for visit in visits.all:
        assert abs(visit.answer.told["updatedAt"] - time.time()) < NEAR


def test_a_new_browser_is_a_visitor(counter: Counter, visits: Visits) -> None:
    """An id never seen before is one visitor more, in the query of a GET and in the body of a POST."""
    if counter.is_estimate:
        pytest.skip(ESTIMATE)
    for visit in (visits.first, visits.posted):
        assert visit.visitors == 1 if counter.alone else visit.visitors >= 1


@pytest.mark.parametrize("which", ["again", "queried"])
def test_a_known_browser_is_no_new_visitor(counter: Counter, visits: Visits, which: str) -> None:
    """An id that was seen before, in query or body, is no new visitor, and the query comes before the body."""
    if counter.is_estimate:
        pytest.skip(ESTIMATE)
    visit = getattr(visits, which)
    # Whoever else came meanwhile was a page view too, and this one was none of the new visitors.
    assert visit.visitors <= visit.page_views - 1


def test_nobody_in_particular_is_counted(counter: Counter, visits: Visits) -> None:
    """Without an id a page view counts, and no visitor."""
    if counter.is_estimate:
        pytest.skip(ESTIMATE)
    visit = visits.nameless
    assert visit.visitors <= visit.page_views - 1


def test_who_asks_for_privacy_is_not_recognised(counter: Counter, visits: Visits) -> None:
    """With Sec-GPC the page view counts, and the id is not looked at."""
    visit = visits.private
    assert visit.answer.told["counted"] is True
    if counter.is_estimate:
        pytest.skip(ESTIMATE)
    assert visit.visitors <= visit.page_views - 1


def test_get_counts_as_the_owner_wants(counter: Counter, visits: Visits) -> None:
    """GET counts where COUNT_ON is GET, and only reads where it is POST."""
    if counter.stats:
        assert visits.get_counts == (counter.stats["settings"]["COUNT_ON"] == "GET")
    else:
        assert visits.get_counts or visits.by_get.answer.told["counted"] is False


# Looks


@pytest.mark.parametrize("query", ["peek=1", "peek=true", "peek=yes", "peek", "peek=1&peek=0", "vid=somebody&peek=1"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_peek_only_looks(counter: Counter, query: str, method: str) -> None:
    """With peek the totals are read and nothing is counted."""
    answer = counter.still(lambda: counter.ask(f"/counter?{query}", method))

    assert answer.status == 200
    assert (answer.told["counted"], answer.told["reason"]) == (False, "peek")
    assert answer.told["count"] == counter.seen[-1].count


def test_a_page_has_one_form(counter: Counter) -> None:
    """However a page's path is written, the answer names it in one form, with no number where none is known."""
    for sent in ("/contract/never-there", "%2Fcontract%2Fnever-there%2F", "/contract//never-there/index.html%3Fa%3Db"):
        answer = counter.still(lambda sent=sent: counter.ask(f"/counter?peek=1&page={sent}"))  # type: ignore[misc]
        assert answer.told["page"] == {"path": "/contract/never-there", "count": None}


def test_the_bare_number(counter: Counter) -> None:
    """With as=number the answer is the page views alone."""
    answer = counter.still(lambda: counter.ask("/counter?peek=1&as=number"))

    assert (answer.status, answer.body) == (200, str(counter.seen[-1].count).encode())
    assert answer.header("Content-Type") == "application/json"


def test_the_number_under_another_name(counter: Counter) -> None:
    """With as=NAME the page views are there once more, under the name that an older page reads."""
    answer = counter.still(lambda: counter.ask("/counter?peek=1&as=visitor-count"))

    assert answer.told["visitor-count"] == answer.told["count"] == counter.seen[-1].count


def test_the_number_for_shields(counter: Counter) -> None:
    """With as=shields the answer is a badge for shields.io, which counts nothing."""
    answer = counter.still(lambda: counter.ask("/counter?as=shields"))

    assert set(answer.told) == {"schemaVersion", "label", "message", "color"}
    assert answer.told["message"] == f"{counter.seen[-1].count:,}"


def test_capital_letters_do_not_matter(counter: Counter) -> None:
    """Routes are found whatever their capital letters."""
    answer = counter.still(lambda: counter.ask("/Counter?peek=1"))

    assert not answer.ours or answer.told["count"] == counter.seen[-1].count  # some gateways have routes of their own


def test_a_reload_is_no_visit(counter: Counter) -> None:
    """A view that its page calls a reload is answered like a visit, not counted, and told why."""
    body = b'{"vid": "somebody", "skip": "reload"}'
    answer = counter.still(lambda: counter.ask("/counter", "POST", body=body))

    assert (answer.status, answer.told["counted"], answer.told["reason"]) == (200, False, "reload")


def test_a_page_of_another_site_is_no_visit(counter: Counter) -> None:
    """Where origins are listed, a view from any other page is not counted, and told why."""
    if counter.any_origin:
        pytest.skip("ALLOWED_ORIGINS lists no origins, so every page's views count")
    answer = counter.still(lambda: counter.ask("/counter?vid=somebody", "POST", {"Origin": STRANGER}))

    assert (answer.status, answer.told["counted"], answer.told["reason"]) == (200, False, "origin")


def test_head_only_looks(counter: Counter) -> None:
    """HEAD /counter has the status and headers of a look, no body, and counts nothing."""
    answer = counter.still(lambda: counter.ask("/counter?vid=somebody", "HEAD"))

    assert (answer.status, answer.body) == (200, b"")
    assert answer.header("Content-Type") == "application/json"


@pytest.mark.parametrize(
    "header, value",
    [("Sec-Purpose", "prefetch;prerender"), ("Purpose", "prefetch"), ("X-Purpose", "preview"), ("X-Moz", "prefetch")],
)
def test_a_page_loaded_ahead_is_no_visit(counter: Counter, header: str, value: str) -> None:
    """A prefetch is answered like a visit, not counted, and told why."""
    answer = counter.still(lambda: counter.ask("/counter?vid=somebody", "POST", {header: value}))

    assert (answer.status, answer.told["counted"], answer.told["reason"]) == (200, False, "prefetch")


def test_a_crawler_is_no_visitor(counter: Counter) -> None:
    """A crawler is answered like a visit, and counted only if the owner wants that."""
    ahead = {"User-Agent": "visitor-counter-contract/1 asking as Googlebot/2.1 would"}
    visit = counter.visit("/counter", "POST", ahead)

    told = visit.answer.told
    assert visit.answer.status == 200
    assert (told["counted"], told.get("reason")) in ((True, None), (False, "crawler"))
    assert visit.page_views == told["counted"] if counter.alone else visit.page_views >= told["counted"]
    if counter.stats:
        assert told["counted"] is not counter.stats["settings"]["IGNORE_CRAWLERS"]


# The picture


def test_the_badge_is_a_picture(counter: Counter) -> None:
    """/badge.svg is a well-formed SVG that shows the page views."""
    badge = counter.still(lambda: counter.ask("/badge.svg"))

    assert (badge.status, badge.header("Content-Type")) == (200, "image/svg+xml")
    assert badge.title == f"page views: {counter.seen[-1].count:,}"


def test_the_badge_shows_visitors(counter: Counter) -> None:
    """With metric=unique the badge shows the visitors, and whether they are an estimate."""
    badge = counter.still(lambda: counter.ask("/badge.svg?metric=unique"))

    about = "~" if counter.is_estimate else ""
    assert badge.title == f"visitors: {about}{counter.seen[-1].unique:,}"


def test_the_badge_has_its_label_and_color(counter: Counter) -> None:
    """A badge has the label and the color that were asked for; what it does not know is no concern of it."""
    badge = counter.ask("/badge.svg?label=hits%20%2B%20more&color=0AF&style=flat")

    assert badge.title.startswith("hits + more: ")
    assert b'fill="#00aaff"' in badge.body


def test_the_badge_escapes_its_label(counter: Counter) -> None:
    """What looks like markup in a label is shown, not run."""
    badge = counter.ask("/badge.svg?label=%3Cscript%3Ea%26%22b%3C%2Fscript%3E")

    assert badge.title.startswith('<script>a&"b</script>: ')
    assert b"<script" not in badge.body


def test_the_badge_loads_nothing(counter: Counter) -> None:
    """A badge may load nothing and run nothing, whoever opens it."""
    assert (counter.ask("/badge.svg").header("Content-Security-Policy") or "").startswith("default-src 'none'")


def test_the_badge_may_be_kept(counter: Counter) -> None:
    """A badge may be kept for some minutes, so that a busy README costs little."""
    found = re.fullmatch(r"public, max-age=(\d+)", counter.ask("/badge.svg").header("Cache-Control") or "")

    assert found is not None
    assert 60 <= int(found[1]) <= 3600


def test_a_badge_that_is_known_is_not_sent_again(counter: Counter) -> None:
    """Whoever shows the ETag of the badge gets 304 without a body."""

    def known() -> Answer:
        tag = counter.ask("/badge.svg").header("ETag") or ""
        return counter.ask("/badge.svg", headers={"If-None-Match": tag})

    answer = counter.still(known)
    assert (answer.status, answer.body) == (304, b"")


def test_another_badge_is_sent(counter: Counter) -> None:
    """Whoever shows another ETag gets the picture."""
    assert counter.ask("/badge.svg", headers={"If-None-Match": '"other"'}).status == 200


def test_the_badge_by_head(counter: Counter) -> None:
    """HEAD /badge.svg has the headers of the picture and no body."""
    answer = counter.ask("/badge.svg", "HEAD")

    assert (answer.status, answer.body) == (200, b"")
    assert answer.header("Content-Type") == "image/svg+xml"
    assert answer.header("ETag")


@pytest.mark.parametrize(
    "query", ["label=" + "x" * 41, "label=", "label=a%00b", "color=%2300aaff", "color=url(x)", "color=none"]
)
def test_a_badge_is_never_broken(counter: Counter, query: str) -> None:
    """A label or a color that cannot be drawn is replaced, for a broken picture helps nobody."""
    answer = counter.ask(f"/badge.svg?{query}")

    assert (answer.status, answer.header("Content-Type")) == (200, "image/svg+xml")


def test_there_is_no_such_badge(counter: Counter) -> None:
    """A number that there is not is refused with a code of its own."""
    answer = counter.ask("/badge.svg?metric=all")

    assert (answer.status, answer.told.get("error")) == (400, "invalid_metric")


# Its health


def test_it_is_healthy(counter: Counter) -> None:
    """/health says that the storage answers, and counts nothing."""
    answer = counter.still(lambda: counter.ask("/health"))

    shown = {"status": "healthy", "service": "visitor-counter", "database": "connected"}
    assert answer.status == 200
    assert {name: answer.told.get(name) for name in shown} == shown
    assert answer.told["counter_value"] == counter.seen[-1].count


def test_health_knows_the_time(counter: Counter) -> None:
    """/health tells the time, in UTC."""
    told = counter.ask("/health").told["timestamp"]
    moment = datetime.fromisoformat(told)

    assert told.endswith("Z")
    assert abs(datetime.now(UTC) - moment) < timedelta(seconds=NEAR)


def test_health_by_head(counter: Counter) -> None:
    """HEAD /health is the same without a body."""
    answer = counter.ask("/health", "HEAD")

    assert (answer.status, answer.body) == (200, b"")


# The owner's


def test_stats_are_complete(owner: Caller) -> None:
    """/stats has the totals, the history, the storage requests and the settings in force."""
    answer = owner.ask("/stats", headers=owner.bearer())

    assert answer.status == 200
    assert {
        "ok", "count", "unique", "uniqueIsEstimate", "updatedAt", "today", "days", "months", "requests", "budget",
        "documentBytes", "entriesWaiting", "settings", "requestId",
    } <= set(answer.told)  # fmt: skip


def test_stats_know_the_days(owner: Caller, visits: Visits) -> None:
    """/stats has a day for the visits of this run, and every day has its four numbers."""
    told = owner.ask("/stats", headers=owner.bearer()).told

    lately = sum(told["days"][day]["pageviews"] for day in sorted(told["days"])[-2:])  # midnight may just have passed
    assert lately >= len(visits.all)
    assert max(told["days"]) <= told["today"]
    for day, numbers in told["days"].items():
        assert DAY.fullmatch(day)
        assert set(numbers) == {"pageviews", "visitors", "newVisitors", "filtered"}


def test_stats_never_count(counter: Counter, owner: Caller) -> None:
    """/stats counts nothing, neither by GET nor by HEAD."""
    assert counter.still(lambda: owner.ask("/stats", headers=owner.bearer())).status == 200
    assert counter.still(lambda: owner.ask("/stats", "HEAD", owner.bearer())).body == b""


def test_stats_are_no_place_for_secrets(owner: Caller) -> None:
    """/stats shows neither the token nor the salt."""
    answer = owner.ask("/stats", headers=owner.bearer())

    assert not owner.shows_token(answer)
    assert not {"SALT", "REPORT_TOKEN"} & set(answer.told["settings"])


def test_a_report_goes_out(owner: Caller, pytestconfig: pytest.Config) -> None:
    """/report publishes the report for whoever shows the owner's token."""
    if not pytestconfig.option.send_report:
        pytest.skip("the owner would get a mail: say REPORT=yes if he may")
    answer = owner.ask("/report", "POST", owner.bearer())

    assert (answer.status, answer.told["ok"], answer.told["report"]) == (200, True, True)


# What there is not


@pytest.mark.parametrize("path", ["/nothing", "/counters", "/counter/more", "/.env", "/counter.json"])
def test_there_is_nothing_else(counter: Counter, path: str) -> None:
    """Any other path is not found."""
    answer = counter.ask(path)

    assert answer.status in (403, 404)  # a gateway may have its own word for it
    assert not answer.ours or (answer.status, answer.told.get("error")) == (404, "not_found")


@pytest.mark.parametrize(
    "method, path, allowed",
    [
        ("PUT", "/counter", "GET, HEAD, POST, OPTIONS"),
        ("DELETE", "/counter", "GET, HEAD, POST, OPTIONS"),
        ("PATCH", "/counter", "GET, HEAD, POST, OPTIONS"),
        ("POST", "/badge.svg", "GET, HEAD, OPTIONS"),
        ("POST", "/health", "GET, HEAD, OPTIONS"),
        ("DELETE", "/stats", "GET, HEAD, OPTIONS"),
        ("PUT", "/report", "GET, POST, OPTIONS"),
    ],
)
def test_other_methods_are_refused(counter: Counter, method: str, path: str, allowed: str) -> None:
    """A method that a path does not have is refused, with the names of those it has, and counts nothing."""
    answer = counter.still(lambda: counter.ask(path, method))

    assert answer.status in (403, 404, 405)  # a gateway that does not know it may say so itself
    if answer.ours:
        assert (answer.status, answer.told.get("error")) == (405, "method_not_allowed")
        assert answer.header("Allow") == allowed
