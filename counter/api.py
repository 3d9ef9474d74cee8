"""What the counter answers: a Request in, a Response out, the same behind every entrypoint.

What a browser or a person may get to see is decided here: routes, methods, what counts, who is the owner. Nothing that
was sent is repeated in an answer, but for a badge's label and color, which are checked and escaped.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from typing import Any

from counter.answer import Answer, error, failed, respond, retry_after
from counter.badge import Badge, is_known, tag
from counter.crawlers import is_crawler
from counter.report import NotPublished, Publisher, compose
from counter.request import BadRequest, Request, Response
from counter.settings import Settings, SettingsError
from counter.stats import stats
from counter.store import StoreError
from counter.tally import Tally, Visit
from counter_store import CounterStore
from privacy import visitor_hash

SERVICE = "visitor-counter"
_VID = re.compile(r"[A-Za-z0-9._:-]{1,128}", re.ASCII)
_HINTS = ("sec-purpose", "purpose", "x-purpose", "x-moz")

BADGE_SECONDS = 300
"""How long a badge may be kept. Every one that is not costs a storage request: asked for through one cache, as READMEs
on GitHub do, it is 8,640 of them a month at most, and the number is five minutes old."""

_PICTURE = {
    "Content-Type": "image/svg+xml",
    "Cache-Control": f"public, max-age={BADGE_SECONDS}",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
}
_RETRY_LATER = retry_after(30)


class Api:
    """The counter's answers. `publisher` is asked for when a report is to go out, and raises NotPublished where
    the owner has named no place. `now` gives unix seconds."""

    def __init__(
        self,
        settings: Settings,
        store: CounterStore,
        publisher: Callable[[], Publisher],
        now: Callable[[], float],
    ) -> None:
        self.settings = settings
        self._store = store
        self._publisher = publisher
        self._now = now
        self._unclear_on: date | None = None
        self._routes: Mapping[str, tuple[tuple[str, ...], Callable[[Request], Answer]]] = {
            "counter": (("GET", "HEAD", "POST"), self._counter),
            "badge.svg": (("GET", "HEAD"), self._badge),
            "health": (("GET", "HEAD"), self._health),
            "stats": (("GET", "HEAD"), self._stats),
            "report": (("GET", "POST"), self._report),
        }

    def answer(self, request: Request) -> Response:
        """The answer to `request`. Raises nothing that a caller, or the storage, can cause."""
        try:
            request = request.resolved()
            answer = self._dispatch(request)
        except BadRequest as problem:
            answer = error(problem.status, problem.word, str(problem))
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
        counts = request.method == "POST" or (request.method == "GET" and self.settings.count_on_get)
        if not counts or request.query.get("peek", "0").lower() not in ("0", "false", "no"):
            return 200, _shown(self._store.read(request.deadline), "peek"), {}
        visit = self._visit(request)
        tally = self._store.keep(visit, self._now(), request.deadline)
        return 200, _shown(tally, visit.reason), {}

    def _visit(self, request: Request) -> Visit:
        vid = None if _wants_privacy(request) else _vid(request)
        reason = self._filtered(request)
        return Visit(
            id=_visit_id(request.id),
            day=str(self._today().date()),
            visitor=visitor_hash(self.settings.salt.reveal(), vid) if vid and not reason else None,
            reason=reason,
        )

    def _filtered(self, request: Request) -> str | None:
        hints = " ".join(request.headers.get(name, "") for name in _HINTS).lower()
        if "prefetch" in hints or "prerender" in hints or "preview" in hints:
            return "prefetch"
        if self.settings.ignore_crawlers and is_crawler(request.headers.get("user-agent", "")):
            return "crawler"
        return None

    def _badge(self, request: Request) -> Answer:
        badge = Badge.of(request.query)
        picture = badge.svg(self._store.read(request.deadline))
        headers = {**_PICTURE, "ETag": tag(picture)}
        if is_known(headers["ETag"], request.headers.get("if-none-match", "")):
            return 304, b"", headers
        return 200, picture, headers

    def _health(self, request: Request) -> Answer:
        warnings = {"warnings": self.settings.warnings} if self.settings.warnings else {}
        try:
            count = self._store.read(request.deadline).pageviews
        except StoreError as problem:
            return unhealthy(problem, self._now(), **warnings)
        state = {"status": "healthy", "service": SERVICE, "database": "connected", "counter_value": count}
        return 200, {**state, "timestamp": _iso(self._now()), **warnings}, {}

    def _stats(self, request: Request) -> Answer:
        if not self._is_owner(request):
            return _unauthorized()
        tally, waiting = self._store.settle(self._now(), request.deadline)
        return 200, stats(tally, waiting, self._today(), self.settings), {}

    def _report(self, request: Request) -> Answer:
        if not self._is_owner(request):
            return _unauthorized()
        today = self._today()
        try:
            publisher = self._publisher()
            tally, _ = self._store.settle(self._now(), request.deadline)
            publisher.publish(*compose(tally, today, self.settings, again=self._unclear_on == today.date()))
        except NotPublished as problem:
            if not problem.retry:
                return error(500, "misconfigured", str(problem))
            self._unclear_on = today.date()
            return error(503, "not_published", f"{problem} Try again; the mail may then come twice.", _RETRY_LATER)
        self._unclear_on = None
        return 200, {"ok": True, "report": True}, {}

    def _is_owner(self, request: Request) -> bool:
        if request.direct:
            return True
        if self.settings.report_token is None:
            return False
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            given = request.query.get("token", "")
        # Of the hashes, so that not even the length can be told from the time it takes.
        return hmac.compare_digest(_sha256(given.strip()), _sha256(self.settings.report_token.reveal()))

    def _today(self) -> datetime:
        return datetime.fromtimestamp(self._now(), self.settings.timezone)


def unhealthy(problem: SettingsError | StoreError, now: float, **more: Any) -> Answer:
    """What /health says of `problem`, at `now` in unix seconds."""
    state = {"status": "unhealthy", "service": SERVICE, "database": "error", "error": str(problem)}
    return 503, {**state, "timestamp": _iso(now), **more}, _RETRY_LATER


def _iso(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds")


def _unauthorized() -> Answer:
    scheme = {"WWW-Authenticate": f'Bearer realm="{SERVICE}"'}
    return error(401, "unauthorized", "This is for the owner: send Authorization: Bearer REPORT_TOKEN.", scheme)


def _shown(tally: Tally | None, reason: str | None) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "ok": True,
        "count": tally.pageviews if tally else None,
        "unique": tally.unique if tally else None,
        "updatedAt": tally.updated_at if tally else None,
        "counted": reason is None,
    }
    if tally and tally.unique_is_estimate:
        shown["uniqueIsEstimate"] = True
    if reason is not None:
        shown["reason"] = reason
    return shown


def _wants_privacy(request: Request) -> bool:
    return request.headers.get("sec-gpc", "").strip() == "1" or request.headers.get("dnt", "").strip() == "1"


def _vid(request: Request) -> str | None:
    vid = request.query["vid"] if "vid" in request.query else _vid_in_body(request)
    if vid is not None and not (isinstance(vid, str) and _VID.fullmatch(vid)):
        raise BadRequest("invalid_vid", "vid must be 1 to 128 of the characters A-Z a-z 0-9 . _ : -")
    return vid


def _vid_in_body(request: Request) -> Any:
    return request.json.get("vid") if request.method == "POST" else None


def _visit_id(request_id: str) -> str:
    # Short, of one form whatever the platform's ids look like, and safe in the name of an object.
    return base64.urlsafe_b64encode(hashlib.sha256(request_id.encode()).digest()[:9]).decode("ascii")


def _sha256(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
