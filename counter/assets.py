"""The files for browsers, each read when it is first asked for. A visit does not load this module."""

from __future__ import annotations

from base64 import b64encode
from functools import cache
from hashlib import sha256
from pathlib import Path

from counter.request import Answer, tag

_WEB = Path(__file__).resolve().parent.parent / "web"
_SCRIPTS = {
    "visitor-counter.js": ("visitor-counter.js",),
    "busuanzi.js": ("visitor-counter.js", "busuanzi.js"),  # fills a theme's elements with the counter's numbers
}
_SCRIPT = {"Content-Type": "text/javascript; charset=utf-8", "Cache-Control": "public, max-age=86400"}
_PAGE = {"Content-Type": "text/html; charset=utf-8", "Cache-Control": "no-cache", "Referrer-Policy": "no-referrer"}


@cache
def page(name: str, is_public: bool) -> Answer:
    """The file of the route `name`. `is_public` tells the owner's page that anyone may see the numbers."""
    if name in _SCRIPTS:
        body = b"\n".join((_WEB / file).read_bytes() for file in _SCRIPTS[name])
        return 200, body, {**_SCRIPT, "ETag": tag(body)}
    body = (_WEB / "owner.html").read_bytes()
    if is_public:
        body = body.replace(b"<html", b"<html data-public", 1)
    policy = (
        f"default-src 'none'; script-src {_hash(body, b'script')}; style-src {_hash(body, b'style')}; "
        "connect-src http: https:; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return 200, body, {**_PAGE, "Content-Security-Policy": policy, "ETag": tag(body)}


def _hash(body: bytes, element: bytes) -> str:
    """The hash of the inline `element`, for a Content-Security-Policy."""
    content = body.partition(b"<%b>" % element)[2].partition(b"</%b>" % element)[0]
    return f"'sha256-{b64encode(sha256(content).digest()).decode()}'"
