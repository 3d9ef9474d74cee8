"""What the counter serves to browsers: the element, the script for older themes, and the owner's page."""

from __future__ import annotations

import re
import subprocess
import sys
from base64 import b64encode
from hashlib import sha256
from pathlib import Path

import pytest

from counter.api import Api
from counter.request import Request, Response
from counter.settings import Settings

ROOT = Path(__file__).resolve().parents[1]
WEB = ROOT / "web"


class NoStore:
    """A store that must not be asked."""

    def __getattr__(self, name: str) -> None:
        raise AssertionError(name)


def ask(path: str, method: str = "GET", settings: Settings | None = None, **headers: str) -> Response:
    """What a counter without a storage answers."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    api = Api(settings or Settings(), NoStore(), NoStore, lambda: 0.0)  # type: ignore[arg-type]
    return api.answer(Request(method, path, "id", 9.0, sent))


@pytest.mark.parametrize(
    "path, kind, cache, file",
    [
        ("/v1/visitor-counter.js", "text/javascript; charset=utf-8", "public, max-age=86400", "visitor-counter.js"),
        ("/busuanzi.js", "text/javascript; charset=utf-8", "public, max-age=86400", "busuanzi.js"),
        ("/api/owner/", "text/html; charset=utf-8", "no-cache", "owner.html"),
    ],
)
def test_files(path: str, kind: str, cache: str, file: str) -> None:
    """Each file is served as it is, without asking the storage: scripts for a day, the page asked for each time."""
    answer = ask(path)

    assert (answer.status, answer.headers["Content-Type"], answer.headers["Cache-Control"]) == (200, kind, cache)
    assert answer.body.endswith((WEB / file).read_bytes())
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"


@pytest.mark.parametrize("path", ["/visitor-counter.js", "/busuanzi.js", "/owner"])
def test_known_file(path: str) -> None:
    """A browser that has the file is told so; HEAD has the headers and no body; nothing else is allowed."""
    etag = ask(path).headers["ETag"]
    again, head = ask(path, if_none_match=etag), ask(path, "HEAD")

    assert (again.status, again.body, again.headers["ETag"]) == (304, b"", etag)
    assert (head.status, head.body, head.headers["ETag"]) == (200, b"", etag)
    assert ask(path, "POST").status == 405


def test_script_for_themes_has_the_element() -> None:
    """One address is all that a theme needs: the element comes first in it."""
    assert ask("/busuanzi.js").body.startswith((WEB / "visitor-counter.js").read_bytes())


def test_policy_of_the_page() -> None:
    """The owner's page runs its own script and style alone, loads nothing, and cannot be framed."""
    answer = ask("/owner")
    policy = answer.headers["Content-Security-Policy"]
    for element in (b"script", b"style"):
        found = re.findall(b"<%b>(.*?)</%b>" % (element, element), answer.body, re.DOTALL)
        hashes = [f"{element.decode()}-src 'sha256-{b64encode(sha256(one).digest()).decode()}'" for one in found]

        assert len(hashes) == 1
        assert hashes[0] in policy

    assert "unsafe" not in policy
    assert {"default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'"} <= set(policy.split("; "))
    assert answer.headers["Referrer-Policy"] == "no-referrer"


def test_a_visit_does_not_pay_for_it() -> None:
    """Starting the counter neither imports the module that serves files nor reads them."""
    code = "import sys, func; sys.exit('counter.assets' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_a_public_page_says_so() -> None:
    """Where anybody may see the numbers the page asks for them without a token; it is another file then."""
    public = ask("/owner", settings=Settings(public_stats=True))

    assert b"<html data-public " in public.body
    assert b"<html data-public " not in ask("/owner").body
    assert public.headers["ETag"] != ask("/owner").headers["ETag"]
