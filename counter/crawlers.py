"""Recognises crawlers by their user agent, with a list of their names."""

from functools import cache
from pathlib import Path
from typing import Final

LIST: Final = Path(__file__).with_name("crawlers.txt")
MAX_AGENT: Final = 512  # characters; browsers stay below 400, and a long user agent must not cost more
PREFIX_LENGTH: Final = 4  # no entry of the list is shorter


def is_crawler(user_agent: str) -> bool:
    """Whether a user agent names a known crawler.

    Command-line HTTP tools and requests without a user agent count as people. Case is ignored, and so is everything
    after the first 512 characters. The list is read on the first call and cached.
    """
    agent = user_agent[:MAX_AGENT].lower()
    entries = _entries_by_prefix()
    for start in range(len(agent) - PREFIX_LENGTH + 1):
        for entry in entries.get(agent[start : start + PREFIX_LENGTH], ()):
            if agent.startswith(entry, start):
                return True
    return False


@cache
def _entries_by_prefix() -> dict[str, list[str]]:
    # Trying every entry in turn takes several times as long, and nearly every visit matches none.
    found: dict[str, list[str]] = {}
    for line in LIST.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            found.setdefault(line[:PREFIX_LENGTH], []).append(line)
    return found
