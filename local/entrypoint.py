"""The interface between the local gateway and a cloud's function."""

from typing import NamedTuple, Protocol

# Headers of one connection only, never forwarded (RFC 9110, section 7.6.1).
HOP_BY_HOP = frozenset(
    ("connection", "keep-alive", "proxy-connection", "proxy-authenticate", "proxy-authorization", "te", "trailer",
     "transfer-encoding", "upgrade", "expect")
)  # fmt: skip
# Headers that a proxy writes itself for the body it forwards.
CONNECTION_HEADERS = frozenset(("connection", "keep-alive", "transfer-encoding", "content-length"))


class HttpCall(NamedTuple):
    """An HTTP request as the gateway received it. `target` is path and query as sent; `headers` keep their order."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes
    remote: str


class HttpAnswer(NamedTuple):
    """An HTTP answer. The gateway adds the content length."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


class FunctionFailed(Exception):
    """The function failed. `status` is what the platform answers then, `body` the function's own answer, if any."""

    def __init__(self, status: int, body: bytes = b"") -> None:
        super().__init__(f"the function failed with {status}")
        self.status = status
        self.body = body


class Entrypoint(Protocol):
    """Calls the function as one cloud does. `prefix` is what that cloud's gateway puts before the routes."""

    prefix: str

    async def http(self, call: HttpCall) -> HttpAnswer:
        """Hand an HTTP request to the function as the cloud's gateway would. Raises FunctionFailed."""

    async def invoke(self, body: bytes) -> bytes:
        """Call the function directly, without a gateway, as its owner can. Raises FunctionFailed."""


def sendable(value: str) -> str:
    """Return the text with bytes that are not UTF-8 decoded as Latin-1, as the FDK does."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return value.encode("utf-8", "surrogateescape").decode("latin-1")
    return value
