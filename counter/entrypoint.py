"""What every entrypoint does with a call: pass it to the counter, and answer it even if the counter cannot start."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from traceback import walk_tb

from counter.api import Api, unhealthy
from counter.request import BadRequest, Request, Response, error, failed, respond
from counter.settings import Settings, SettingsError
from counter.store import StoreError

log = logging.getLogger("visitor-counter")
log.setLevel(logging.INFO)


def answer(api: Callable[[], Api], request: Request) -> Response:
    """The counter's answer to `request`, or why there is none. `api` creates the counter on the first call. Never
    raises: a platform would show the exception's text to the visitor, or its own error page without CORS."""
    settings = None
    try:
        counter = api()
        settings = counter.settings
        response = counter.answer(request)
        if request.url is None and response.status >= 500:
            # Nobody reads the answer to a scheduled call.
            log.error("a direct call failed (the platform's id: %s): %s", request.id, response.body.decode())
        return response
    except (SettingsError, StoreError) as problem:
        log.error("the counter cannot start: %s", problem)
        return unready(request, problem, time.time(), settings)
    except Exception as unexpected:  # noqa: BLE001 - the visitor gets an answer, and the place is logged
        *_, (frame, line) = walk_tb(unexpected.__traceback__)
        kind, place = type(unexpected).__name__, f"{Path(frame.f_code.co_filename).name}:{line}"
        log.error("unexpected %s at %s, request %s (the platform's: %s)", kind, place, request.public_id, request.id)
        return internal_error(request, settings)


def tell(settings: Settings) -> None:
    """Log what works but should be changed."""
    for warning in (*settings.warnings, *settings.private_warnings):
        log.warning("%s", warning)


def unready(
    request: Request, problem: SettingsError | StoreError, now: float, settings: Settings | None = None
) -> Response:
    """The answer while a setting is invalid or the storage cannot be reached: /health says so at `now`, the other
    routes with an error. Of `settings` only the allowed origins matter."""
    with suppress(BadRequest):
        request = request.resolved()
    return respond(request, settings, unhealthy(problem, now) if request.route == "health" else failed(problem))


def internal_error(request: Request, settings: Settings | None = None) -> Response:
    """The answer after an unexpected error, which only the log describes."""
    return respond(request, settings, error(500, "internal_error", "Something went wrong; the log says more."))
