"""Makes crawlers.txt out of the crawler-user-agents package: `python tests/make_crawlers.py`.

The package's 1,500 regular expressions cost a cold start more than the whole rest of the function, so they are turned
into plain lower-case substrings here, once, and reviewed as text. Two kinds of pattern do not come along as they are:
those that people's own programs would match (LEFT_OUT), and those that are good only with their capital letters or
in their place, which a plain substring has lost (NARROWED).
"""

import json
import sys
from collections.abc import Iterator
from importlib import metadata, resources
from pathlib import Path
from typing import Final, TypedDict

PACKAGE: Final = "crawler-user-agents"
TARGET: Final = Path(__file__).resolve().parent.parent / "counter" / "crawlers.txt"
SHORTEST: Final = 4  # letters and digits; anything shorter turns up inside the names of phones and builds

HEADER: Final = """\
# Crawlers, as lower-case parts of their user agents, one a line; crawlers.py reads this file.
# Source: {package} {version}, the MIT License, Copyright (c) 2017 Martin Monperrus.
# Left out on purpose: command-line HTTP tools and client libraries, because whoever uses them is a person.
# Made by a program, do not edit. To renew: raise {package} in tests/requirements.txt, then
# python tests/make_crawlers.py
"""


class Entry(TypedDict):
    """One crawler of the package, as far as it is used here."""

    pattern: str
    instances: list[str]


# Command-line HTTP tools and the libraries people write their own with.
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

# Browsers, apps that show pages to people, and marks that phones or networks leave in every agent.
PEOPLE: Final = frozenset(
    {
        "^Silk\\/",  # Amazon's browser, once the anchor is gone
        "Optimizer\\)",
        "AP3A\\.240617\\.008",  # a build of Android 15, on millions of phones
        "MetaIAB Facebook",  # the browser inside Facebook
        "Amazon CloudFront",  # what a site sees of everybody when CloudFront stands in front of it
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

# How crawlers that are on no list yet call themselves. Not one of 52,000 agents of real devices in the test data of
# ua-parser and Matomo holds one of these, although Cubot makes phones. A browser without a window is driven by a
# program: one that prerenders, takes screenshots or runs tests.
SAID_BY_ITSELF: Final = ("bot/", "crawler", "headless", "spider/")

# What a pattern means, where its letters alone would mean more.
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
    """The plain lower-case substrings that together stand for a pattern.

    Alternatives and small character classes are written out, anchors are dropped, and of a pattern with a wildcard
    inside only the longest plain piece is kept. Raises ValueError for a construct it does not know.
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
            choices = self._one()
            if self._accept("*") or self._accept("+"):
                choices = [WILDCARD]
            texts = [text + choice for text in texts for choice in choices]
        return texts

    def _one(self) -> list[str]:
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


def kept() -> Iterator[tuple[Entry, list[str]]]:
    """The crawlers that the list is made of, each with the substrings that stand for it."""
    for entry in entries():
        pattern = entry["pattern"]
        if pattern in LEFT_OUT:
            continue
        texts = list(NARROWED.get(pattern, ())) or substrings(pattern)
        long_enough = [text for text in texts if sum(map(str.isalnum, text)) >= SHORTEST]
        if long_enough:
            yield entry, long_enough


def make() -> str:
    """The whole text of crawlers.txt."""
    lines: list[str] = []
    wanted = {text for _, texts in kept() for text in texts} | set(SAID_BY_ITSELF)
    # Shortest first: a line that contains a line already there adds nothing.
    for text in sorted(wanted, key=lambda text: (len(text), text)):
        if not any(line in text for line in lines):
            lines.append(text)
    return HEADER.format(package=PACKAGE, version=metadata.version(PACKAGE)) + "".join(
        f"{line}\n" for line in sorted(lines)
    )


if __name__ == "__main__":
    TARGET.write_text(make(), encoding="utf-8")
    sys.stdout.write(f"{TARGET.name}: {len(make().splitlines()) - HEADER.count(chr(10))} lines\n")
