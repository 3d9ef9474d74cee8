"""Check that a deployed counter works, and print how to fix what does not.

    make check URL=https://HOST/v1                      counts nothing and needs no token
    make check URL=... TOKEN=... COUNT=yes REPORT=yes   also checks /stats, counts one page view, sends one report
    make check URL=... ORIGIN=https://your.site         also checks that your page may read the answers

It needs only Python. The exit status is 0 if nothing is wrong, 1 otherwise.
"""

from __future__ import annotations

import argparse
import http.client
import json
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from email.message import Message
from typing import Any
from urllib.parse import urlsplit

from counter.settings import Environment

TIMEOUT = 35.0  # seconds to wait for an answer: a first call may start a container
# COUNT sends its page view with a browser's name, since crawlers are not counted.
BROWSER = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36"
RIGHTS = "After a first deployment this is normal: new rights take up to 15 minutes to arrive. Try again then."
IMAGE = (
    "The function's image is not in the registry, or is the wrong one. Push it (clouds/oracle/push REPOSITORY), "
    "then apply again."
)
PREFIX = "Is the address complete? It ends with /v1 on Oracle and AWS, and with /api on Azure."


class Stop(Exception):
    """Nothing else can be checked; the message says what is wrong and what to do."""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Treats redirects as any other answer: following one would send the token to another host."""

    def redirect_request(self, *_: object) -> None:
        return None


@dataclass(frozen=True)
class Answer:
    """The answer to a request."""

    status: int
    headers: Message
    body: bytes

    @property
    def json(self) -> Mapping[str, Any]:
        """The body if it is a JSON object, otherwise an empty one."""
        try:
            content = json.loads(self.body)
        except ValueError:
            return {}
        return content if isinstance(content, dict) else {}

    @property
    def text(self) -> str:
        """The beginning of the body, printable on a terminal."""
        text = self.body[:300].decode(errors="replace")
        return "".join(char if char.isprintable() else " " for char in text).strip()

    @property
    def ours(self) -> bool:
        """Whether the counter itself answered, not a gateway in front of it."""
        return "X-Request-Id" in self.headers and ("ok" in self.json or "service" in self.json)


@dataclass
class Check:
    """A check of one counter. `problems` collects what is wrong and how to fix it."""

    url: str
    token: str = ""
    origin: str = ""
    problems: list[str] = field(default_factory=list)

    def ask(self, path: str, method: str = "GET", **headers: str) -> Answer:
        """Send one request. Raises Stop if nothing answers."""
        host = urlsplit(self.url).hostname or ""
        # Calls to this machine must not go through a proxy.
        proxies = [urllib.request.ProxyHandler({})] if host in ("localhost", "127.0.0.1", "::1") else []
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(  # noqa: S310 - main() has checked the scheme
            self.url + path, method=method, headers={"User-Agent": "visitor-counter-check", **named}
        )
        try:
            with urllib.request.build_opener(_NoRedirect, *proxies).open(request, timeout=TIMEOUT) as response:
                return Answer(response.status, response.headers, response.read())
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, error.headers, error.read())
        except (OSError, http.client.HTTPException) as error:
            reason = error.reason if isinstance(error, urllib.error.URLError) else error
            raise Stop(
                f"Nothing answers at {host}: {reason}. Is the address right, and is the deployment finished?"
            ) from error

    def report(self, good: bool, works: str, problem: str) -> bool:
        """Print the result of a check, and remember what is wrong."""
        print(f"  {'ok' if good else '--'}  {works if good else problem}")
        if not good:
            self.problems.append(problem)
        return good


def health(check: Check) -> None:
    """Check /health, and tell a gateway's errors from the counter's own. Raises Stop."""
    answer = check.ask("/health")
    said = answer.json
    if answer.status == 200 and said.get("status") == "healthy":
        check.report(True, f"The counter is healthy and has counted {said.get('counter_value') or 0} page views.", "")
    elif answer.ours and said.get("database") == "error":
        raise Stop(unhealthy(str(said.get("error", ""))))
    elif answer.status in (502, 504):
        image = "image" in answer.text.lower()
        raise Stop(f"The gateway cannot run the function ({answer.status} {answer.text}). {IMAGE if image else RIGHTS}")
    elif answer.status == 401:
        raise Stop(
            "Azure asks for a sign-in before it runs the function (401). Delete the setting AzureWebJobsStorage, "
            "as clouds/azure/deploy does."
        )
    elif answer.status == 403:
        raise Stop(f"The gateway answers 403 {answer.text}. {PREFIX} Does it require an API key? None was sent.")
    elif 300 <= answer.status < 400:
        raise Stop(f"The address redirects to {answer.headers.get('Location')}. Use that one, also in your page.")
    else:
        raise Stop(f"This is not the counter: it answers {answer.status} {answer.text or 'with no text'}. {PREFIX}")
    for warning in said.get("warnings", ()):
        check.report(False, "", f"It warns: {warning}")


def unhealthy(error: str) -> str:
    """Return what to do about an error that the counter reports at /health."""
    if " must be " in error or " is not set" in error:
        return f"A setting is invalid: {error} Until it is fixed, no visit is counted."
    return f"The function runs, but its storage does not work: {error} {RIGHTS}"


def methods(check: Check) -> None:
    """Check that GET, HEAD and OPTIONS reach the function."""
    peek = check.ask("/counter?peek=1")
    check.report(
        peek.status == 200 and "count" in peek.json,
        "/counter answers. (This check only read it; nothing was counted.)",
        f"/counter answers {peek.status} {peek.text}, though /health works. Does the gateway have a route "
        "for /counter?",
    )
    head = check.ask("/counter?peek=1", "HEAD")
    check.report(
        head.status == 200,
        "HEAD gets through.",
        f"The gateway does not let HEAD through ({head.status}). Visits still count, but a monitor that uses HEAD "
        "reports the counter as down. Add HEAD to the route, or let the monitor use GET.",
    )
    preflight = check.ask(
        "/stats", "OPTIONS", Origin=check.origin or "https://example.com", Access_Control_Request_Method="GET",
        Access_Control_Request_Headers="authorization",
    )  # fmt: skip
    check.report(
        preflight.status in (200, 204) and "Access-Control-Allow-Methods" in preflight.headers,
        "OPTIONS gets through, so the owner's page can read the numbers.",
        f"The gateway does not let OPTIONS through ({preflight.status}). Visits still count, but an owner's page "
        "on another site cannot read the numbers. Add OPTIONS to the routes, without a CORS policy.",
    )


def cross_origin(check: Check) -> None:
    """Check that pages may read the answers: exactly one Access-Control-Allow-Origin, and the right one."""
    site = check.origin or "https://example.com"
    allowed = check.ask("/counter?peek=1", Origin=site).headers.get_all("Access-Control-Allow-Origin") or []
    if len(allowed) > 1:
        problem = (
            "The answer has two Access-Control-Allow-Origin, and browsers refuse both. Remove the CORS policy from "
            "the gateway: the function answers CORS itself."
        )
    elif check.origin:
        problem = (
            f"{check.origin} may not read the answers: only {allowed[0] if allowed else 'other sites'} may. Add it to "
            "ALLOWED_ORIGINS. If your site works with and without www, add both."
        )
    else:
        problem = (
            "The answer has no Access-Control-Allow-Origin. If ALLOWED_ORIGINS lists your site, check again with "
            "ORIGIN=https://your.site; if not, the gateway removes headers, and no page can show the number."
        )
    listed = allowed[:1] == ["*"] or allowed[:1] == [site] or not check.origin
    works = f"{check.origin or 'Any page'} may read the answers."
    check.report(len(allowed) == 1 and listed, works, problem)


def badge(check: Check) -> None:
    """Check that the badge arrives: some gateways do not accept the dot in its name."""
    answer = check.ask("/badge.svg")
    check.report(
        answer.status == 200 and answer.headers.get_content_type() == "image/svg+xml",
        "/badge.svg is an image.",
        f"/badge.svg answers {answer.status} {answer.text[:60]}. Perhaps the gateway does not accept the dot in its "
        "name. You can use a badge of shields.io instead: https://img.shields.io/endpoint?url=THE-ADDRESS/counter?as=shields",
    )


def script(check: Check) -> None:
    """Check that the script for your page arrives."""
    answer = check.ask("/visitor-counter.js")
    check.report(
        answer.status == 200 and "javascript" in answer.headers.get_content_type(),
        "/visitor-counter.js is the script for your page.",
        f"/visitor-counter.js answers {answer.status} {answer.text[:60]}. Add the route to the gateway, or put the "
        "file web/visitor-counter.js beside your page and set the element's src to the counter.",
    )


def owner(check: Check) -> None:
    """Check that only the owner can read the numbers, and that the token, if there is one, is right."""
    closed = check.ask("/stats")
    is_public = closed.status == 200
    works = "open to everyone, since PUBLIC_STATS is on" if is_public else "closed without the token"
    problem = f"/stats answers {closed.status} {closed.text}."
    check.report(is_public or closed.status == 401, f"/stats is {works}.", problem)
    if check.token:
        opened = check.ask("/stats", Authorization=f"Bearer {check.token}")
        check.report(
            opened.status == 200,
            "The token opens /stats.",
            f"The token does not open /stats ({opened.status}). The right one is the stack's output report_token; "
            "a new one works once the function's running containers are replaced.",
        )


def count(check: Check) -> None:
    """Count one page view, and check that the number rises."""
    before = check.ask("/counter?peek=1").json.get("count") or 0
    answer = check.ask("/counter", "POST", User_Agent=BROWSER)
    after = answer.json.get("count")
    check.report(
        answer.json.get("counted") is True and isinstance(after, int) and after > before,
        f"One page view was counted: {after}.",
        f"The page view was not counted: {answer.status} {answer.json.get('reason') or answer.text}.",
    )


def mail(check: Check) -> None:
    """Send one report."""
    answer = check.ask("/report", "POST", Authorization=f"Bearer {check.token}")
    check.report(
        answer.json.get("report") is True,
        "A report was sent. If no mail arrives within minutes, look in the spam folder, and open the link in the "
        "cloud's first mail (AWS Notification, Oracle Cloud Infrastructure Notifications): until then nothing is "
        "delivered.",
        f"No report was sent: {answer.status} {answer.json.get('message') or answer.text}",
    )


def look(check: Check, *, counting: bool, reporting: bool) -> None:
    """Run all checks that were asked for."""
    try:
        health(check)
        for part in (methods, cross_origin, badge, script, owner):
            part(check)
        if counting:
            count(check)
        if reporting and check.token:
            mail(check)
    except Stop as problem:
        check.report(False, "", str(problem))


def main(given: Sequence[str] | None = None) -> int:
    """Run the command, and return its exit status."""
    parser = argparse.ArgumentParser(prog="make check URL=...", description="Check whether a counter works.")
    parser.add_argument("url", help="the counter's address, without /counter")
    parser.add_argument("--origin", default="", help="your site, like https://example.com")
    parser.add_argument("--count", action="store_true", help="count one page view")
    parser.add_argument("--report", action="store_true", help="send one report; needs TOKEN in the environment")
    options = parser.parse_args(given)
    url = options.url.strip().rstrip("/").removesuffix("/counter").removesuffix("/health")
    if not url.startswith(("https://", "http://")):
        parser.error(f"the address must begin with https://, like https://{url or 'HOST/v1'}")
    check = Check(url, Environment().text("TOKEN") or "", options.origin.strip().rstrip("/"))
    print(f"{url}\n")
    look(check, counting=options.count, reporting=options.report)
    print()
    if not options.report:
        print("Not checked: whether the daily mail arrives. TOKEN=... REPORT=yes sends one.")
    found = len(check.problems)
    print(f"{found} problem{'s' * (found > 1)}, see above." if found else "Everything that was checked works.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
