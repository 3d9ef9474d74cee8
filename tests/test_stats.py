"""The owner's numbers: all of them, exact, in one shape, for the owner alone, and nothing secret among them."""

import json
import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
from counting import Counter
from test_ceiling import full as fullest

from counter.settings import Settings
from counter.store import Unavailable
from counter.tally import Limits, Visit
from privacy import visitor_hash

OWNER = {"Authorization": "Bearer a-token-long-enough"}
SECRETS = {
    "SALT": "the-salt-nobody-may-know",
    "REPORT_TOKEN": "a-token-long-enough",
    "BUCKET": "the-bucket",
    "OBJECT": "the-object.json",
    "NAMESPACE": "the-namespace",
    "TOPIC_OCID": "ocid1.onstopic.oc1.phx.the-topic",
    "OBJECT_STORAGE_ENDPOINT": "https://storage.the-endpoint.example",
    "NOTIFICATIONS_ENDPOINT": "https://mail.the-endpoint.example",
}


def told(counter: Counter) -> dict[str, Any]:
    """The owner's numbers, without the id that differs from call to call."""
    status, answer = counter.told("/stats", headers=OWNER)
    assert (status, answer.pop("requestId")) == (200, str(uuid.uuid5(uuid.NAMESPACE_OID, "call-1")))
    return answer


def test_stats_of_a_counter_with_a_past() -> None:
    """Everything the owner's page shows is there, under these names."""
    document = {
        "pageviews": 1234,
        "uniqueVisitors": 321,
        "seen": [],
        "updatedAt": 1789999999,
        "days": {
            "2026-09-20": {"pageviews": 3, "newVisitors": 1, "filtered": {"prefetch": 1, "crawler": 2}},
            "2026-09-19": {"filtered": {"crawler": 1}},
        },
        "months": {"2025-09": {"pageviews": 300, "newVisitors": 90}},
        "requests": {"2026-09": 240, "2026-08": 100},
        "somebody's": "own",
    }
    data = json.dumps(document, separators=(",", ":")).encode()

    assert told(Counter(data, REPORT_TOKEN="a-token-long-enough")) == {
        "ok": True,
        "count": 1234,
        "unique": 321,
        "uniqueIsEstimate": False,
        "updatedAt": 1789999999,
        "today": "2026-09-21",
        "days": {
            "2026-09-19": {"pageviews": 0, "newVisitors": 0, "filtered": {"crawler": 1}},
            "2026-09-20": {"pageviews": 3, "newVisitors": 1, "filtered": {"crawler": 2, "prefetch": 1}},
        },
        "weeks": {},
        "months": {"2025-09": {"pageviews": 300, "newVisitors": 90, "filtered": {}}},
        "pages": {"top": [], "other": {"count": 0, "month": 0, "lastMonth": 0}},
        "sources": {"top": [], "other": {"count": 0, "month": 0, "lastMonth": 0}},
        "requests": {"2026-08": 100, "2026-09": 240},
        "budget": {"month": "2026-09", "used": 240, "allowance": 50000, "runsOut": None},
        "documentBytes": len(data),
        "entriesWaiting": 0,
        "settings": Settings().public,
    }


@pytest.mark.parametrize("used, runs_out", [(0, None), (20_000, None), (40_000, "2026-09-26"), (50_000, None)])
def test_page_and_mail_say_the_same_about_the_budget(used: int, runs_out: str | None) -> None:
    """The owner's page and the mail tell the same month, requests, allowance and last day."""
    document = {"pageviews": 9, "requests": {"2026-08": 1, "2026-09": used}}
    counter = Counter(json.dumps(document).encode(), topic=True, REPORT_TOKEN="a-token-long-enough")

    assert told(counter)["budget"] == {"month": "2026-09", "used": used, "allowance": 50000, "runsOut": runs_out}

    counter.ask("/report", "POST", OWNER)
    _, body = counter.papers.published[-1]

    assert f"STORAGE REQUESTS IN SEPTEMBER\n{used:,} of about 50,000 free" in body
    assert ("they run out on 26 September." in body) is bool(runs_out)


def test_budget_is_the_clouds_month() -> None:
    """Where the owner's month has begun and the cloud's has not, the budget is the cloud's."""
    document = {"pageviews": 9, "requests": {"2026-08": 1, "2026-09": 240}}
    counter = Counter(json.dumps(document).encode(), TIMEZONE="Pacific/Kiritimati", REPORT_TOKEN="a-token-long-enough")
    counter.now = datetime(2026, 9, 30, 13, 0, tzinfo=UTC).timestamp()
    answer = told(counter)

    assert (answer["today"], answer["budget"]["month"], answer["budget"]["used"]) == ("2026-10-01", "2026-09", 240)


def test_stats_before_the_first_visit() -> None:
    """A new counter has the same members with nothing in them, and asking stores nothing."""
    counter = Counter(REPORT_TOKEN="a-token-long-enough")
    answer = told(counter)

    assert (answer["count"], answer["unique"], answer["updatedAt"], answer["uniqueIsEstimate"]) == (0, 0, None, False)
    assert (answer["days"], answer["months"], answer["requests"]) == ({}, {}, {})
    assert counter.store.document is None


def test_days_are_in_order() -> None:
    """Days and months come in the order of time, however they are stored."""
    document = {
        "pageviews": 9,
        "days": {day: {"pageviews": 1} for day in ("2026-09-03", "2026-09-01", "2026-09-02")},
        "months": {month: {"pageviews": 1} for month in ("2026-01", "2025-12")},
    }
    answer = told(Counter(json.dumps(document).encode(), REPORT_TOKEN="a-token-long-enough"))

    assert list(answer["days"]) == ["2026-09-01", "2026-09-02", "2026-09-03"]
    assert list(answer["months"]) == ["2025-12", "2026-01"]


def test_stats_are_exact() -> None:
    """Visits that wait in the journal are folded first: they are in every number, and their number is told once."""
    counter = Counter(b'{"count":5}', REPORT_TOKEN="a-token-long-enough")
    visitor = visitor_hash("salt", "somebody")
    for visit in (
        Visit("a", "2026-09-20", visitor),
        Visit("b", "2026-09-21", visitor),
        Visit("c", "2026-09-21", reason="crawler"),
    ):
        counter.store.journal[visit.entry()] = None

    answer = told(counter)

    assert (answer["count"], answer["unique"], answer["entriesWaiting"]) == (7, 1, 3)
    assert answer["days"] == {
        "2026-09-20": {"pageviews": 1, "newVisitors": 1, "filtered": {}},
        "2026-09-21": {"pageviews": 1, "newVisitors": 0, "visitors": 1, "filtered": {"crawler": 1}},
    }
    assert answer["documentBytes"] == len(counter.store.document[0] if counter.store.document else b"")
    assert counter.told("/stats", headers=OWNER)[1]["entriesWaiting"] == 0


def test_estimate_is_said() -> None:
    """Past SEEN_LIMIT the owner is told that the number of visitors is an estimate."""
    counter = Counter(SEEN_LIMIT="2", REPORT_TOKEN="a-token-long-enough")
    for vid in "abc":
        counter.ask(f"/counter?vid={vid}")

    _, answer = counter.told("/stats", headers=OWNER)

    assert (answer["unique"], answer["uniqueIsEstimate"]) == (3, True)


def test_settings_in_force_are_told() -> None:
    """What the owner set, in the words it is set in; and the date is that of the owner's time zone."""
    counter = Counter(
        REPORT_TOKEN="a-token-long-enough",
        SALT="a-salt-of-mine",
        SITE_NAME="Zürich",
        TIMEZONE="Pacific/Kiritimati",
        COUNT_ON="post",
        SEEN_LIMIT="7",
        PAGE_LIST="/blog,/",
        REPORT_BACKUP="no",
        ALLOWED_ORIGINS="https://b.example, https://a.example",
    )
    answer = told(counter)

    assert answer["today"] == "2026-09-22"
    assert answer["settings"] == Settings().public | {
        "SITE_NAME": "Zürich",
        "TIMEZONE": "Pacific/Kiritimati",
        "COUNT_ON": "POST",
        "SEEN_LIMIT": 7,
        "PAGE_LIST": "/,/blog",
        "REPORT_BACKUP": False,
        "ALLOWED_ORIGINS": "https://b.example,https://a.example",
    }
    assert {"HISTORY_DAYS", "IGNORE_CRAWLERS", "PAGES", "PUBLIC_STATS"} <= answer["settings"].keys()
    assert not answer["settings"].keys() & {"SALT", "REPORT_TOKEN"}


@pytest.mark.parametrize("headers", [OWNER, None])
def test_nothing_secret_is_told(headers: dict[str, str] | None) -> None:
    """No secret, name of a place or hash of a visitor is in the answer, or in the refusal."""
    counter = Counter(None, topic=True, **SECRETS)
    counter.ask("/counter?vid=somebody")
    body = counter.ask("/stats", headers=headers).body.decode()

    for secret in SECRETS.values():
        assert secret not in body
    assert visitor_hash(SECRETS["SALT"], "somebody") not in body


@pytest.mark.parametrize(
    "url, headers, status",
    [
        ("/stats", {}, 401),
        ("/stats", {"Authorization": "Bearer another-token"}, 401),
        ("/stats?token=another-token", {}, 401),
        ("/stats", {"Authorization": "Basic a-token-long-enough"}, 401),
        ("/stats", OWNER, 200),
        ("/v1/stats/", OWNER, 200),
        ("/stats?token=a-token-long-enough", {}, 200),
        (None, {}, 200),
    ],
)
def test_stats_are_for_the_owner(url: str | None, headers: dict[str, str], status: int) -> None:
    """The owner shows the token, or calls the function directly; anybody else is told how to prove it."""
    counter = Counter(REPORT_TOKEN="a-token-long-enough")
    body = b"" if url else b'{"path":"/stats"}'

    for method in ("GET", "HEAD"):
        response = counter.ask(url, method, headers, body)

        assert response.status == status
        assert ("WWW-Authenticate" in response.headers) is (status == 401)
        assert response.headers["Cache-Control"] == "no-cache, no-store, must-revalidate"
    if status == 401:
        assert counter.store.asked == []


def test_without_a_token_nobody_is_the_owner() -> None:
    """Where no token is set, none opens the entrypoint, not even an empty one."""
    for headers in ({}, {"Authorization": "Bearer "}, {"Authorization": "Bearer None"}):
        assert Counter().ask("/stats?token=", headers=headers).status == 401


def test_head_has_no_body() -> None:
    """HEAD answers as GET does, without the numbers."""
    counter = Counter(REPORT_TOKEN="a-token-long-enough")

    assert counter.ask("/stats", "HEAD", OWNER).body == b""
    assert counter.ask("/stats", "POST", OWNER).status == 405


def test_storage_that_is_away_is_a_503() -> None:
    """Numbers that cannot be had are an error that says to come back, not zeros."""
    counter = Counter(REPORT_TOKEN="a-token-long-enough")
    counter.store.failure = Unavailable("The storage could not be reached.", in_doubt=False)

    status, answer = counter.told("/stats", headers=OWNER)

    assert (status, answer["error"]) == (503, "storage_unavailable")


def test_the_backup_is_the_document() -> None:
    """The owner gets the document as it is stored, and nobody else, also where the numbers are public."""
    data = b'{"pageviews":7,"uniqueVisitors":1,"days":{"2026-09-20":{"pageviews":7,"newVisitors":1}},"seen":["ab"]}'
    counter = Counter(data, REPORT_TOKEN="a-token-long-enough", PUBLIC_STATS="true")
    answer = counter.ask("/stats?format=backup", headers=OWNER)

    assert json.loads(answer.body) == json.loads(data)
    assert answer.headers["Content-Disposition"] == 'attachment; filename="counter.json"'
    assert b"seen" not in counter.ask("/stats?format=backup").body


def test_statistics_stay_small() -> None:
    """With 400 days, 240 months, 260 weeks and 200 pages with names as long as they may be, in any script, they are
    below 160 KB, and so are those for anyone."""
    data = fullest(Limits(), "\u8a9e", 10**4, sketches=True).encode()
    for public in ("true", "false"):
        counter = Counter(data, REPORT_TOKEN="a-token-long-enough", PUBLIC_STATS=public)
        answer = counter.ask("/stats", headers=None if public == "true" else OWNER)

        assert len(json.loads(answer.body)["pages"]["top"]) == 200
        assert len(answer.body) < 160 * 1024
