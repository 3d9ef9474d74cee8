"""A worker process of Azure Functions on a laptop: `python functions_worker.py SOCKET [THREADS]` runs function_app.py.

Azure's host sends calls to its worker over gRPC; here they arrive as JSON over a Unix socket. The rest is Azure's own
code: the package azure-functions finds the functions and turns the host's message into a request, and a pool of threads
runs overlapping calls.
"""

import base64
import importlib
import json
import socketserver
import sys
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler
from types import SimpleNamespace
from typing import Any

import azure.functions as func
from azure.functions import meta
from azure.functions.http import HttpRequestConverter

Message = dict[str, Any]


class Functions:
    """The functions of an app, by the kind of their trigger."""

    def __init__(self, app: func.FunctionApp) -> None:
        # Called once only, as on Azure: a second call fails because the names are taken.
        triggers = ((function, function.get_trigger()) for function in app.get_functions())
        self.by_trigger = {trigger.type: function for function, trigger in triggers if trigger}

    def run(self, call: Message) -> Message:
        """Run the function whose trigger is `call["trigger"]`, as a worker does."""
        function = self.by_trigger[call["trigger"]]
        context = SimpleNamespace(invocation_id=call["id"], function_name=function.get_function_name())
        user_function = function.get_user_function()
        if call["trigger"] == "timerTrigger":
            user_function(timer=SimpleNamespace(past_due=False), context=context)
            return {}
        answer = user_function(req=request(call), context=context)
        return {
            "status": answer.status_code,
            "headers": [*answer.headers.items()],
            "body": base64.b64encode(answer.get_body()).decode(),
        }


def request(call: Message) -> Any:
    """Return the request object for a message of the host."""
    return HttpRequestConverter.decode(
        meta.Datum(
            type="http",
            value={
                "method": meta.Datum(call["method"], "string"),
                "url": meta.Datum(call["url"], "string"),
                "headers": {name: meta.Datum(value, "string") for name, value in call["headers"].items()},
                "query": {},
                "params": {},
                "body": meta.Datum(type="bytes", value=base64.b64decode(call["body"])),
            },
        ),
        trigger_metadata=None,
    )


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """Accepts calls on a Unix socket: each is a POST, answered with the call's result."""

    daemon_threads = True
    request_queue_size = 1024

    def __init__(self, path: str, functions: Functions, threads: int | None) -> None:
        self.functions = functions
        self.pool = ThreadPoolExecutor(threads)
        super().__init__(path, Handler)


class Handler(BaseHTTPRequestHandler):
    """Answers the calls of one connection."""

    protocol_version = "HTTP/1.1"
    server: Server

    def do_POST(self) -> None:
        """Run a call in the pool. If the function raises, answer 500 with the error's text."""
        call = json.loads(self.rfile.read(int(self.headers["content-length"])))
        try:
            status, answer = 200, self.server.pool.submit(self.server.functions.run, call).result()
        except Exception as error:  # noqa: BLE001 - whatever it is, the call has failed
            status, answer = 500, {"error": f"{type(error).__name__}: {error}"}
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def address_string(self) -> str:
        """Return a fixed name: a Unix socket has no address."""
        return "host"

    def log_message(self, *args: object) -> None:
        """Log nothing."""


def main() -> None:
    """Load the app and serve until killed."""
    app = importlib.import_module("function_app").app  # the name that the platform looks for
    threads = int(sys.argv[2]) if len(sys.argv) > 2 else None
    with Server(sys.argv[1], Functions(app), threads) as server:
        server.serve_forever(poll_interval=60)


if __name__ == "__main__":
    main()
