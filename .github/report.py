"""Asks the counter for its daily report, from a scheduled workflow or by hand; standard library only.

REPORT_URL and REPORT_TOKEN come from the environment, and neither is ever printed. Ends with 0 when the counter says
that the report went out; with 1, and the answer's status and body, when it does not; with 2 when a setting is missing.

What may pass is tried again: no connection, 429, 502, 503 and 504. Not so 401, 404 or 405, which stay as they are, and
500, by which the counter names what its owner has to mend. REPORT_WAITS holds the seconds between the attempts.
"""

import email.utils
import http.client
import ipaddress
import json
import os
import re
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote, quote_plus, urlsplit

PASSING: Final = frozenset({429, 502, 503, 504})
WAITS: Final = "5 20 60"
LONGEST_WAIT: Final = 120.0  # seconds; a Retry-After beyond this is cut, for the machine is paid by the minute
TIMEOUT: Final = 60.0  # seconds; twice what the function may take, for a cold start
SHOWN: Final = 2000  # characters of a body


@dataclass(frozen=True)
class Answer:
    """What came back; `status` is None when nothing did."""

    status: int | None
    body: str
    retry_after: str | None = None

    @property
    def passing(self) -> bool:
        """Whether another attempt may well end differently."""
        return self.status is None or self.status in PASSING

    @property
    def reported(self) -> bool:
        """Whether this is the counter saying that the report went out."""
        try:
            said = json.loads(self.body)
        except ValueError:
            return False
        return self.status == http.HTTPStatus.OK and isinstance(said, dict) and said.get("report") is True

    def __str__(self) -> str:
        return "no answer" if self.status is None else f"status {self.status}"


class WrongSetting(Exception):
    """A setting is missing or cannot be used; the message names it and never shows it."""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Redirects are answers like any other: followed, they would carry the token to wherever they point."""

    def redirect_request(self, *_: object) -> None:
        return None


def main(environ: Mapping[str, str]) -> int:
    """Ask, again if need be, and say how it went; the exit status."""
    try:
        url, token = settings(environ)
        waits = [float(wait) for wait in environ.get("REPORT_WAITS", WAITS).split()]
    except (WrongSetting, ValueError) as error:
        complain(str(error), environ)
        return 2
    secrets = spellings(url, token)
    attempt, answer = 0, Answer(None, "")
    for wait in [*waits, None]:
        attempt, answer = attempt + 1, ask(url, token)
        if answer.reported:
            print("The counter has sent its report.")
            return 0
        print(f"Attempt {attempt}: {answer}.\n{shown(answer.body, secrets)}", flush=True)
        if wait is None or not answer.passing:
            break
        seconds = pause(answer.retry_after, wait)
        print(f"Trying again in {seconds:g} s.", flush=True)
        time.sleep(seconds)
    complain(f"No report: {answer} at attempt {attempt}, its body is above.{advice(answer)}", environ)
    return 1


def settings(environ: Mapping[str, str]) -> tuple[str, str]:
    """REPORT_URL and REPORT_TOKEN. Raises WrongSetting for one that is missing or cannot be used."""
    # A secret that was pasted with its line's end is the commonest mistake of all.
    url, token = (environ.get(name, "").strip() for name in ("REPORT_URL", "REPORT_TOKEN"))
    missing = [name for name, value in (("REPORT_URL", url), ("REPORT_TOKEN", token)) if not value]
    if missing:
        raise WrongSetting(f"{' and '.join(missing)} not set: add to the repository's secrets for actions.")
    if not re.fullmatch(r"[!-~]+", token):
        raise WrongSetting("REPORT_TOKEN holds a space or a character that no HTTP header can carry.")
    if not is_web_address(url):
        raise WrongSetting("REPORT_URL is not a web address; it looks like https://host/path/report.")
    parts = urlsplit(url)
    if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        raise WrongSetting("REPORT_URL must begin with https://, or the token would travel in the open.")
    return url, token


def is_web_address(url: str) -> bool:
    """Whether a text is a complete address that can be called as it stands."""
    try:
        parts = urlsplit(url)
        return (
            parts.scheme in ("https", "http")
            and bool(parts.hostname)
            and parts.port != 0  # asking for the port is what finds a wrong one
            and parts.username is None
            and bool(re.fullmatch(r"[!-~]+", url))
        )
    except ValueError:
        return False


def is_loopback(host: str) -> bool:
    """Whether a host is this very machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def ask(url: str, token: str) -> Answer:
    """Call the counter once."""
    # A proxy is for the way out; a call to this machine must not leave it.
    proxies = [urllib.request.ProxyHandler({})] if is_loopback(urlsplit(url).hostname or "") else []
    opener = urllib.request.build_opener(_NoRedirect, *proxies)
    request = urllib.request.Request(  # noqa: S310 - settings() has seen to the scheme
        url, headers={"Authorization": f"Bearer {token}", "User-Agent": "visitor-counter-daily-report"}
    )
    try:
        with opener.open(request, timeout=TIMEOUT) as response:
            return Answer(response.status, _text(response.read()))
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, _body_of(error), error.headers.get("Retry-After"))
    except (OSError, http.client.HTTPException) as error:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        return Answer(None, f"{type(reason).__name__}: {reason}")


def _body_of(error: urllib.error.HTTPError) -> str:
    try:
        return _text(error.read())
    except (OSError, http.client.HTTPException):
        return "(the body broke off)"


def _text(body: bytes) -> str:
    return body.decode("utf-8", errors="replace")


def pause(retry_after: str | None, otherwise: float) -> float:
    """The seconds to wait: what Retry-After asks for, within reason, or what is given."""
    text = (retry_after or "").strip()
    if re.fullmatch(r"[0-9]{1,9}", text):
        asked = float(text)
    else:
        try:
            moment = email.utils.parsedate_to_datetime(text)
        except ValueError:
            return otherwise
        asked = (moment.astimezone(UTC) - datetime.now(UTC)).total_seconds()
    return max(0.0, min(asked, LONGEST_WAIT))


def spellings(url: str, token: str) -> list[str]:
    """Every way in which an answer may repeat a secret, longest first."""
    parts = urlsplit(url)
    # The host is part of a secret, except this machine's own name, which is nobody's.
    host = "" if is_loopback(parts.hostname or "") else (parts.hostname or "")
    plain = {url, token, parts.query, host} - {""}
    spelt = {
        form for text in plain for form in (text, quote(text), quote(text, safe=""), quote_plus(text), json_text(text))
    }
    return sorted(spelt, key=len, reverse=True)


def json_text(text: str) -> str:
    """A text as it stands inside a JSON string."""
    return json.dumps(text)[1:-1]


def shown(body: str, secrets: Iterable[str]) -> str:
    """A body fit for a public log: no secrets, nothing a runner takes for a command, not endless."""
    for secret in secrets:
        body = re.sub(re.escape(secret), "***", body, flags=re.IGNORECASE)
    rest = len(body) - SHOWN
    body = "".join(char if char.isprintable() or char == "\n" else "?" for char in body[:SHOWN])
    # A runner obeys lines that begin with "::", and the older "##[" wherever it stands.
    lines = ["  | " + line.replace("##[", "# # [") for line in body.split("\n")]
    return "\n".join(lines) + (f"\n  | ... and {rest} characters more" if rest > 0 else "")


def advice(answer: Answer) -> str:
    """What the owner can do about it, where the status says so."""
    match answer.status:
        case 200:
            return " It is not what /report answers: does REPORT_URL end with /report?"
        case 401 | 403:
            return " Is REPORT_TOKEN the same here and at the function?"
        case 404 | 405:
            return " Does REPORT_URL end with /report?"
        case 301 | 302 | 303 | 307 | 308:
            return (
                " Redirects are not followed, for the token would go with them: set REPORT_URL to where this one leads."
            )
        case _:
            return ""


def complain(sentence: str, environ: Mapping[str, str]) -> None:
    """Say what is wrong where it will be seen: on top of the run's page in a workflow, or on standard error."""
    if environ.get("GITHUB_ACTIONS") == "true":
        print(f"::error title=Daily report::{sentence}", flush=True)
    else:
        print(sentence, file=sys.stderr, flush=True)


if __name__ == "__main__":
    raise SystemExit(main(os.environ))
