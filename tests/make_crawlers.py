"""Makes crawlers.txt out of the crawler-user-agents package: `python tests/make_crawlers.py`.

The package's 1,500 regular expressions would take longer to compile at a cold start than everything else, so this
script turns them into plain lower-case substrings, which are reviewed as text. Two kinds of pattern are not converted
directly: those that match programs people use (LEFT_OUT), and those that depend on upper case or on their position,
which a substring ignores (NARROWED).
"""

import json
import sys
from collections.abc import Iterator
from importlib import metadata, resources
from pathlib import Path
from typing import Final, TypedDict

PACKAGE: Final = "crawler-user-agents"
TARGET: Final = Path(__file__).resolve().parent.parent / "counter" / "crawlers.txt"
MIN_LENGTH: Final = 4  # letters and digits; anything shorter occurs in the names of phones and builds

HEADER: Final = """\
# Crawlers: lower-case substrings of their user agents, one per line, read by page_view.py.
# Source: {package} {version}, the MIT License, Copyright (c) 2017 Martin Monperrus.
# Left out on purpose: command-line HTTP tools and client libraries, because people use them.
# Generated, do not edit. To update it, raise the version of {package} in tests/requirements.txt
# and run: python tests/make_crawlers.py
"""


class Entry(TypedDict):
    """One crawler of the package: the fields used here."""

    pattern: str
    instances: list[str]


# Command-line HTTP tools and HTTP libraries.
TOOLS: Final = frozenset(
    {
        "[wW]get",
        "^curl",
        "^PHP-Curl-Class",
        "^HTTPie\\/",
        "Python-urllib",
        "python-requests",
        "aiohttp",
        "httpx",
        "libwww-perl",
        "lwp-trivial",
        "[mM]echanize",
        "Go-http-client",
        "okhttp",
        "axios",
        "node-fetch",
        "sindresorhus\\/got",
        "^Apache-HttpClient",
        "CustomAsyncHttpClient",
        "AHC\\/",
        "HttpUrlConnection",
        "Jetty",
        "httpunit",
        "http_get",
        "AnyEvent",
        "Pcore-HTTP",
        "Indy Library",
        "Hello World",
    }
)

# Browsers, apps that show pages to people, and texts that phones or networks add to every user agent.
PEOPLE: Final = frozenset(
    {
        "^Silk\\/",  # Amazon's browser, once the anchor is gone
        "Optimizer\\)",
        "AP3A\\.240617\\.008",  # a build of Android 15, on millions of phones
        "MetaIAB Facebook",  # the browser inside Facebook
        "Amazon CloudFront",  # the user agent of every visitor to a site behind CloudFront
        "Fluid",  # turns a site into a Mac application
        "Code\\/1\\.",  # the browser inside an editor
        "Trae\\/",  # the same
        "Anchor Browser",
        "Playwright",  # its own HTTP client; the browsers it drives do not say so
        "Tumblr\\/",  # the browsers inside applications
        "PayPal\\/",
        "Viber",
        "NING\\/",  # Lightning, in SeaMonkey
        "Salesforce\\.com",
    }
)

LEFT_OUT: Final = TOOLS | PEOPLE

# How crawlers that are on no list yet name themselves. None of the 52,000 user agents of real devices in the test data
# of ua-parser and Matomo contains one of these, although Cubot makes phones. A headless browser is run by a program:
# one that prerenders, takes screenshots or runs tests.
GENERIC: Final = ("bot/", "crawler", "headless", "spider/")

# What a pattern stands for where its letters alone would match too much.
NARROWED: Final[dict[str, tuple[str, ...]]] = {
    "Sonic": ("ranksonic", "; sonic/"),  # Panasonic
    "Sogou": ("sogou news spider", "sogou pic spider", "sogou web spider"),  # Sogou's browser
    "Butterfly": ("butterfly/1.0; +http",),  # HTC Butterfly
    "speedy": ("speedy spider", "speedy_spider"),  # Smart Speedy, a phone
    "Fever": ("feedafever.com",),  # Tecno Fever, a phone
    "Expanse": ("expanse, a palo alto",),  # a phone
    "Odin;": ("getodin.com",),  # AYN Odin, a handheld
    "Nitro-": ("nitropack.io", "nitro-optimizer"),
    "Fetch\\/": ("guess.scritch.org",),  # node-fetch
    "Make\\/": ("make/production",),
    "Devin": ("; devin/",),
    "Yeti": ("; yeti/",),
    "linko": ("linko.app",),
    "mail\\.ru": ("top.mail.ru",),  # Mail.ru's own applications
    "Podimo": ("podimo.com",),
    "Goodreads": ("; goodreads;",),
    "Blackboard": ("blackboard safeassign",),
    "NextCloud": ("nextcloud-news",),
    "Notion\\/": ("notion.so",),
    "Asana\\/": ("websitemetadataretriever",),
    "Automaton|Newsify Feed Fetcher": ("newsify feed fetcher",),
    "Chirp|gotosocial": ("gotosocial",),
    "Mastodon": ("(mastodon/",),  # people's applications for Mastodon
    "Lemmy": ("lemmy/",),
}


def substrings(pattern: str) -> list[str]:
    """The plain lower-case substrings that replace a pattern.

    Alternatives and small character classes are expanded, anchors are dropped, and of a pattern with a wildcard only
    the longest plain part is used. Raises ValueError for an unknown construct.
    """
    reader = _Reader(pattern.lower())
    found = {max(text.split(WILDCARD), key=len) for text in reader.alternatives()}
    if reader.at != len(reader.text):
        raise ValueError(f"cannot read the rest of {pattern!r}")
    return sorted(found)


WILDCARD: Final = "\0"


class _Reader:
    """Reads the few constructs of regular expressions that the package uses."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def alternatives(self) -> list[str]:
        texts = self._sequence()
        while self._accept("|"):
            texts += self._sequence()
        return texts

    def _sequence(self) -> list[str]:
        texts = [""]
        while self.at < len(self.text) and self.text[self.at] not in "|)":
            choices = self._item()
            if self._accept("*") or self._accept("+"):
                choices = [WILDCARD]
            texts = [text + choice for text in texts for choice in choices]
        return texts

    def _item(self) -> list[str]:
        char = self._next()
        if char in "^$":
            return [""]
        if char == "\\":
            return [self._escaped()]
        if char == "[":
            return self._class()
        if char == "(":
            texts = self.alternatives()
            if not self._accept(")"):
                raise ValueError(f"a group is not closed in {self.text!r}")
            return texts
        if char in "?{*+":
            raise ValueError(f"cannot read {char!r} in {self.text!r}")
        return [WILDCARD] if char == "." else [char]

    def _class(self) -> list[str]:
        negated = self._accept("^")
        chars: set[str] = set()
        while not self._accept("]"):
            char = self._next()
            chars.add(self._escaped() if char == "\\" else char)
        return [WILDCARD] if negated or WILDCARD in chars else sorted(chars)

    def _escaped(self) -> str:
        char = self._next()
        return WILDCARD if char.isalnum() else char

    def _accept(self, char: str) -> bool:
        if not self.text.startswith(char, self.at):
            return False
        self.at += 1
        return True

    def _next(self) -> str:
        if self.at >= len(self.text):
            raise ValueError(f"{self.text!r} ends too early")
        self.at += 1
        return self.text[self.at - 1]


def entries() -> list[Entry]:
    """Every crawler of the installed package."""
    text = resources.files("crawleruseragents").joinpath("crawler-user-agents.json").read_text(encoding="utf-8")
    found: list[Entry] = json.loads(text)
    return found


def listed() -> Iterator[tuple[Entry, list[str]]]:
    """The crawlers on the list, each with its substrings."""
    for entry in entries():
        pattern = entry["pattern"]
        if pattern in LEFT_OUT:
            continue
        texts = list(NARROWED.get(pattern, ())) or substrings(pattern)
        long_enough = [text for text in texts if sum(map(str.isalnum, text)) >= MIN_LENGTH]
        if long_enough:
            yield entry, long_enough


def make() -> str:
    """The whole text of crawlers.txt."""
    lines: list[str] = []
    wanted = {text for _, texts in listed() for text in texts} | set(GENERIC)
    # Shortest first: an entry that contains a shorter one adds nothing.
    for text in sorted(wanted, key=lambda text: (len(text), text)):
        if not any(line in text for line in lines):
            lines.append(text)
    return HEADER.format(package=PACKAGE, version=metadata.version(PACKAGE)) + "".join(
        f"{line}\n" for line in sorted(lines)
    )


if __name__ == "__main__":
    TARGET.write_text(make(), encoding="utf-8")
    sys.stdout.write(f"{TARGET.name}: {len(make().splitlines()) - HEADER.count(chr(10))} lines\n")
