"""Azure's entrypoint: a call by HTTP or by a timer in, an answer out. The parts are built once per worker process."""

from __future__ import annotations

import logging
import threading
import time
import uuid
from functools import cache

import azure.functions as func

from counter import entrypoint
from counter.api import Api
from counter.request import Request, Response
from counter.settings import Environment, Settings
from counter.store import Unavailable
from counter_store import CounterStore

SECONDS = 25.0
"""The longest that a visitor waits for an answer, waiting for others' included."""

MAIL_SECONDS = 60.0

log = logging.getLogger("visitor-counter")
log.setLevel(logging.INFO)
# The SDK logs each request and its headers.
logging.getLogger("azure").setLevel(logging.WARNING)

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
_turn = threading.Lock()
_making = threading.Lock()


# One function for every address and method below /api: which of them there are, api.py knows. The owner's are guarded
# by their token there, not by a key of Azure's.
@app.function_name("counter")
@app.route(route="{*path}")
def counter(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    """Answers one visitor. Never raises: the platform would answer 500 with an empty page, without CORS."""
    # Not urlsplit, which refuses what it takes for a wrong host; which host it is does not matter.
    path, _, query = req.url.partition("://")[2].partition("/")[2].partition("#")[0].partition("?")
    # As it was sent: what Azure took apart lacks repeated and empty parameters.
    response = _answer(
        Request(
            method=req.method,
            url=f"/{path}?{query}",
            headers={name.lower(): value for name, value in req.headers.items()},
            body=req.get_body() or b"",
            id=_id(context),
            deadline=time.monotonic() + SECONDS,
        )
    )
    return func.HttpResponse(response.body, status_code=response.status, headers=dict(response.headers))


@app.function_name("daily_report")
@app.timer_trigger(
    # Without the setting the platform would refuse the function, and say so every day.
    schedule="%REPORT_SCHEDULE%" if Environment().text("REPORT_SCHEDULE") else "0 0 6 * * *",
    arg_name="timer",
)
@app.retry(strategy="fixed_delay", max_retry_count="3", delay_interval="00:10:00")
def daily_report(timer: func.TimerRequest, context: func.Context) -> None:
    """Sends the report. Raises only where trying again may help: the platform then does so."""
    deadline = time.monotonic() + MAIL_SECONDS
    response = _answer(Request("GET", None, _id(context), deadline, body=b'{"path":"/report"}'))
    if response.status == 503:
        raise RuntimeError("the report was not sent, it is tried again")


def _answer(request: Request) -> Response:
    if request.method == "OPTIONS":
        return entrypoint.answer(_api, request)  # asks for nothing that is stored
    # A worker runs several calls at once, in threads; the counter takes one at a time.
    if not _turn.acquire(timeout=max(request.deadline - time.monotonic(), 0)):
        busy = Unavailable("Too many visits came at the same moment.", in_doubt=False)
        return entrypoint.unready(request, busy, time.time(), Settings.read(Environment()))
    try:
        return entrypoint.answer(_api, request)
    finally:
        _turn.release()


def _api() -> Api:
    with _making:  # a preflight does not wait for its turn, and the cache alone would make two
        return _made()


@cache
def _made() -> Api:
    # Only now, so that what is wrong with a setting is answered and does not keep the function from loading.
    from clouds.azure.function.mail import publisher  # noqa: PLC0415
    from clouds.azure.function.storage_account import StorageAccount  # noqa: PLC0415
    from clouds.azure.function.table_storage import TableStorage  # noqa: PLC0415

    environment = Environment()
    account, mail = StorageAccount.read(environment), publisher(environment)
    settings = Settings.read(environment, free_requests=None)
    environment.check()
    entrypoint.tell(settings)
    store = CounterStore(TableStorage(account.table()), settings.limits)
    return Api(settings, store, mail, time.time, store.warnings)


def _id(context: func.Context) -> str:
    # The platform gives each call a new id, which no client can choose.
    return context.invocation_id or uuid.uuid4().hex
