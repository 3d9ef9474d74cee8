"""What every entrypoint does with a call: hand it to the counter, and answer it also when there is none."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import suppress

from counter.answer import error, failed, respond
from counter.api import Api, unhealthy
from counter.request import BadRequest, Request, Response
from counter.settings import Settings, SettingsError
from counter.store import StoreError

log = logging.getLogger("visitor-counter")
log.setLevel(logging.INFO)


def answer(api: Callable[[], Api], request: Request) -> Response:
    """The counter's answer to `request`, where `api` puts the counter together; otherwise why it cannot. Never raises:
    a platform would show the exception's text to the visitor, or a page of its own without CORS."""
    settings = Settings()
    try:
        counter = api()
        settings = counter.settings
        response = counter.answer(request)
        if request.url is None and response.status >= 500:
            # Nobody looks at what a schedule is answered.
            log.error("a direct call failed (the platform's id: %s): %s", request.id, response.body.decode())
    except (SettingsError, StoreError) as problem:
        log.error("the counter cannot start: %s", problem)
        response = unready(request, problem, time.time(), settings)
    except Exception as unexpected:  # noqa: BLE001 - the visitor gets an answer, and the log the place
        ids = f"{request.public_id} (the platform's: {request.id})"
        log.error("unexpected %s at %s, request %s", type(unexpected).__name__, _place(unexpected), ids)
        response = internal_error(request, settings)
    return response


def tell(settings: Settings) -> None:
    """Writes to the log what works but should not stay as it is."""
    for warning in (*settings.warnings, *settings.private_warnings):
        log.warning("%s", warning)


def unready(
    request: Request, problem: SettingsError | StoreError, now: float, settings: Settings | None = None
) -> Response:
    """The answer to `request` while the parts cannot be put together: a setting that cannot be understood, a storage
    that cannot be reached. /health says so with 503, the rest with an error. No value of a setting is in it; `settings`
    say whose pages may read it, if they are known."""
    known = settings or Settings()
    with suppress(BadRequest):
        request = request.resolved()
    if request.route == "health":
        return respond(request, known, unhealthy(problem, now))
    return respond(request, known, failed(problem))


def internal_error(request: Request, settings: Settings | None = None) -> Response:
    """The answer when something happened that never should. What it was is for the log alone."""
    answer = error(500, "internal_error", "Something went wrong; the log says more.")
    return respond(request, settings or Settings(), answer)


def _place(unexpected: BaseException) -> str:
    trace = unexpected.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_filename.rpartition('/')[2]}:{trace.tb_lineno}" if trace else "?"
