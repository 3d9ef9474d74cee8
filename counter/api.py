"""The counter's API, the same behind every entrypoint: routes, methods, what counts, and what only the owner may see.

An answer repeats parts of a request only after validation: the name of a form, a page, a badge's label and color.
"""

from __future__ import annotations

import hmac
import logging
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from hashlib import sha256
from typing import Protocol

from counter.badge import Badge
from counter.page_view import PageView, reason_not_to_count
from counter.request import Answer, BadRequest, Request, Response, error, failed, respond, tag
from counter.settings import Settings, SettingsError
from counter.shown import iso, shields, shown
from counter.stats import TABLES, as_csv, stats
from counter.store import NotPublished, Publisher, StoreError
from counter.tally import Tally, Visit
from privacy import names_id, visitor_hash

SERVICE = "visitor-counter"

# How long a badge or public statistics may be cached. Every miss costs a storage request: through one cache, like
# GitHub's for READMEs, that is at most 8,640 a month.
CACHE_SECONDS = 300

_PICTURE = {
    "Content-Type": "image/svg+xml",
    "Cache-Control": f"public, max-age={CACHE_SECONDS}",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
}
_RETRY_LATER = {"Retry-After": "30"}
_SCHEME = {"WWW-Authenticate": f'Bearer realm="{SERVICE}"'}
_UNAUTHORIZED = error(401, "unauthorized", "This is for the owner: send Authorization: Bearer REPORT_TOKEN.", _SCHEME)

log = logging.getLogger("visitor-counter")


class Store(Protocol):
    """Stores visits. `at` is in unix seconds, `deadline` in monotonic seconds. Every method raises StoreError."""

    def keep(self, visit: Visit, at: float, deadline: float) -> Tally:
        """Count `visit` exactly once, and return the tally to show."""

    def read(self, deadline: float) -> Tally:
        """The tally, without counting anything."""

    def settle(self, at: float, deadline: float) -> tuple[Tally, int]:
        """The exact tally, and how many visits were waiting in the journal."""


@dataclass(eq=False, repr=False)
class Api:
    """The counter's answers. `publisher` is called for each report, and raises NotPublished if there is nowhere to send
    it to. `now` returns unix seconds, and `warnings`, given a deadline, what should change in the storage. `copy` gets
    the weekday's name and the document after a report, and may raise StoreError."""

    settings: Settings
    store: Store
    publisher: Callable[[], Publisher]
    now: Callable[[], float]
    warnings: Callable[[float], Sequence[str]] = lambda deadline: ()
    copy: Callable[[str, bytes], None] | None = None

    def __post_init__(self) -> None:
        self._unclear_on: date | None = None
        # `/` is the bare address, also behind our gateways: `/`, `/v1/`, `/api/`.
        bare = {"", "v1", "api"} if "/" in self.settings.counter_paths else set()
        reading = ("GET", "HEAD")
        self._routes: Mapping[str, tuple[tuple[str, ...], Callable[[Request], Answer]]] = {
            **dict.fromkeys({"counter", *self.settings.counter_paths, *bare}, ((*reading, "POST"), self._counter)),
            "badge.svg": (reading, self._badge),
            "health": (reading, self._health),
            "stats": (reading, self._stats),
            "report": (("GET", "POST"), self._report),
            **dict.fromkeys(("visitor-counter.js", "busuanzi.js", "owner"), (reading, self._page)),
        }

    def answer(self, request: Request) -> Response:
        """The answer to `request`. No request and no storage error makes it raise."""
        try:
            request = request.resolved()
            answer = self._dispatch(request)
        except BadRequest as problem:
            answer = error(problem.status, problem.code, str(problem))
        except StoreError as problem:
            answer = failed(problem)
        return respond(request, self.settings, answer)

    def _dispatch(self, request: Request) -> Answer:
        if request.method == "OPTIONS":
            return 204, {}, {}
        if request.route not in self._routes:
            return error(404, "not_found", "There is nothing here. Try /counter.")
        methods, handle = self._routes[request.route]
        if request.method not in methods:
            allow = {"Allow": ", ".join((*methods, "OPTIONS"))}
            return error(405, "method_not_allowed", "This method is not for this address.", allow)
        return handle(request)

    def _counter(self, request: Request) -> Answer:
        form = request.query.get("as")
        if form == "shields":
            badge, tally = Badge.of(request.query), self.store.read(request.deadline)
            return 200, shields(badge, tally, str(self._today().date())), {}
        view = PageView.read(request)
        counts = request.method == "POST" or (request.method == "GET" and self.settings.count_on == "GET")
        if counts and not view.peek:
            visit = self._visit(request, view)
            reason, tally = visit.reason, self.store.keep(visit, self.now(), request.deadline)
        else:
            reason, tally = "peek", self.store.read(request.deadline)
        if form == "number":
            return 200, str(tally.pageviews).encode(), {}
        return 200, shown(tally, view, reason, self._today(), form), {}

    def _visit(self, request: Request, view: PageView) -> Visit:
        reason = reason_not_to_count(view, request, self.settings)
        # Short, always in the same form, and safe in the name of an object.
        visit_id = urlsafe_b64encode(sha256(request.id.encode()).digest()[:9]).decode()
        salt = self.settings.salt.reveal()
        visitor = visitor_hash(salt, view.vid) if view.vid and not reason else None
        day = str(self._today().date())
        return Visit(visit_id, day, visitor, reason, view.page, view.source, names_id(salt, visit_id))

    def _badge(self, request: Request) -> Answer:
        badge = Badge.of(request.query)
        picture = badge.svg(self.store.read(request.deadline), str(self._today().date()))
        return 200, picture, {**_PICTURE, "ETag": tag(picture)}

    def _health(self, request: Request) -> Answer:
        try:
            count = self.store.read(request.deadline).pageviews
        except StoreError as problem:
            return unhealthy(problem, self.now(), self.settings.warnings)
        state = {"status": "healthy", "service": SERVICE, "database": "connected", "counter_value": count}
        warnings = (*self.settings.warnings, *self.warnings(request.deadline))
        return 200, {**state, "timestamp": iso(self._today()), **({"warnings": warnings} if warnings else {})}, {}

    def _stats(self, request: Request) -> Answer:
        owner = is_owner(request, self.settings)
        has_token = {"authorization", "token"} & {*request.headers, *request.query}
        if not owner and (has_token or not self.settings.public_stats):
            return _UNAUTHORIZED
        if owner:
            tally, waiting = self.store.settle(self.now(), request.deadline)
        else:
            tally, waiting = self.store.read(request.deadline), 0
        numbers = stats(tally, waiting, self._today(), self.settings, public=not owner)
        headers = {} if owner else {"Cache-Control": f"max-age={CACHE_SECONDS}", "Vary": "Origin, Authorization"}
        form = request.query.get("format")
        if owner and form == "backup":
            return 200, tally.encode(), _download("application/octet-stream", "counter.json")
        if form != "csv":
            return 200, numbers, headers
        table = request.query.get("table", TABLES[0])
        if table not in TABLES:
            raise BadRequest("invalid_table", f"table must be one of {', '.join(TABLES)}.")
        return 200, as_csv(numbers, table), {**headers, **_download("text/csv; charset=utf-8", f"{table}.csv")}

    def _report(self, request: Request) -> Answer:
        from counter.report import PERIODS, compose  # noqa: PLC0415 - a visit does without it

        if not is_owner(request, self.settings):
            return _UNAUTHORIZED
        period = request.query.get("period", PERIODS[0])
        if period not in PERIODS:
            raise BadRequest("invalid_period", f"period must be one of {', '.join(PERIODS)}.")
        today = self._today()
        try:
            publisher = self.publisher()
            tally, _ = self.store.settle(self.now(), request.deadline)
            again, attach = self._unclear_on == today.date(), publisher.attaches
            publisher.publish(*compose(tally, today, self.settings, period, again=again, attach=attach))
        except NotPublished as problem:
            if not problem.retry:
                return error(500, "misconfigured", str(problem))
            self._unclear_on = today.date()
            return error(503, "not_published", f"{problem} Try again; the mail may then come twice.", _RETRY_LATER)
        self._unclear_on = None
        try:
            if self.copy:
                self.copy(f"{today:%A}".lower(), tally.encode())
        except StoreError as problem:
            log.warning("The report was sent, but no copy of the document was kept: %s", problem)
        return 200, {"ok": True, "report": True}, {}

    def _page(self, request: Request) -> Answer:
        from counter.assets import page  # noqa: PLC0415 - a visit does without it

        return page(request.route, self.settings.public_stats)

    def _today(self) -> datetime:
        return datetime.fromtimestamp(self.now(), self.settings.timezone)


def is_owner(request: Request, settings: Settings) -> bool:
    """Whether `request` is the owner's: a direct call, which was signed, or one with the token, in the header
    `Authorization: Bearer` or in the query. If no token is set, only direct calls are."""
    token = settings.report_token
    if request.direct or token is None:
        return request.direct
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        given = request.query.get("token", "")
    # Hashes are compared, so that the timing does not even reveal the length.
    hashes = [sha256(text.encode(errors="surrogatepass")).digest() for text in (given.strip(), token.reveal())]
    return hmac.compare_digest(*hashes)


def _download(kind: str, name: str) -> dict[str, str]:
    return {"Content-Type": kind, "Content-Disposition": f'attachment; filename="{name}"'}


def unhealthy(problem: SettingsError | StoreError, now: float, warnings: Sequence[str] = ()) -> Answer:
    """The answer of /health to `problem`, at `now` in unix seconds."""
    more = {"warnings": warnings} if warnings else {}
    state = {"status": "unhealthy", "service": SERVICE, "database": "error", "error": str(problem), **more}
    return 503, {**state, "timestamp": iso(datetime.fromtimestamp(now, UTC))}, _RETRY_LATER
