"""What stands between the gateway of this machine and a cloud's function: HTTP in, the platform's own call, HTTP
out."""

from typing import NamedTuple, Protocol

# Between two hops only, and never passed on (RFC 9110, section 7.6.1).
HOP_BY_HOP = frozenset(
    ("connection", "keep-alive", "proxy-connection", "proxy-authenticate", "proxy-authorization", "te", "trailer",
     "transfer-encoding", "upgrade", "expect")
)  # fmt: skip
# What a server says anew of the body that it sends on.
OWN = frozenset(("connection", "keep-alive", "transfer-encoding", "content-length"))


class HttpCall(NamedTuple):
    """A request as it came in. `target` is path and query as they were sent, `headers` in their order."""

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
    """The function did not do its part. `status` is what the platform makes of it, `body` what it had to say."""

    def __init__(self, status: int, body: bytes = b"") -> None:
        super().__init__(f"the function failed with {status}")
        self.status = status
        self.body = body


class Entrypoint(Protocol):
    """One cloud's way to its function. `prefix` is what that cloud's gateway puts before the routes."""

    prefix: str

    async def http(self, call: HttpCall) -> HttpAnswer:
        """Hand an HTTP request to the function as the cloud's gateway would. Raises FunctionFailed."""

    async def invoke(self, body: bytes) -> bytes:
        """Call the function directly, as its owner may. Raises FunctionFailed."""


def sendable(value: str) -> str:
    """Return the text with bytes that are not UTF-8 read as Latin-1, which is what the FDK would make of them."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return value.encode("utf-8", "surrogateescape").decode("latin-1")
    return value
