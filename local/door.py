"""
What stands between the gateway of this machine and a cloud's function: HTTP in, the platform's own call, HTTP out.
"""

from typing import NamedTuple, Protocol


class HttpCall(NamedTuple):
    """A request as it came in. ``target`` is path and query as they were sent, ``headers`` in their order."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes
    remote: str


class HttpAnswer(NamedTuple):
    """What goes back. Its content length is the gateway's to say."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


class FunctionFailed(Exception):
    """The function did not do its part. ``status`` is what the platform makes of it, ``body`` what it had to say."""

    def __init__(self, status: int, body: bytes = b"") -> None:
        super().__init__(f"the function failed with {status}")
        self.status = status
        self.body = body


class Door(Protocol):
    """One cloud's way to its function. ``prefix`` is what that cloud's gateway puts before the routes."""

    prefix: str

    async def http(self, call: HttpCall) -> HttpAnswer:
        """Hand an HTTP request to the function as the cloud's gateway would. Raises FunctionFailed."""

    async def invoke(self, body: bytes) -> bytes:
        """Call the function directly, as its owner may. Raises FunctionFailed."""
