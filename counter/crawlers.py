"""Which visits are made by crawlers: a list of their names, and the look-up."""

from functools import cache
from pathlib import Path
from typing import Final

LIST: Final = Path(__file__).with_name("crawlers.txt")
LONGEST_AGENT: Final = 512  # browsers stay below 400; what a stranger sends must not cost more than that
OPENING: Final = 4  # no line of the list is shorter


def is_crawler(user_agent: str) -> bool:
    """Whether a user agent names a known crawler.

    People with command-line HTTP tools are people, and so is whoever sends no user agent. Only the first 512
    characters are looked at, capital letters do not matter. The list is read at the first call and kept.
    """
    agent = user_agent[:LONGEST_AGENT].lower()
    by_opening = _lines_by_opening()
    for start in range(len(agent) - OPENING + 1):
        for line in by_opening.get(agent[start : start + OPENING], ()):
            if agent.startswith(line, start):
                return True
    return False


@cache
def _lines_by_opening() -> dict[str, list[str]]:
    # Asking for every line in turn takes several times as long, and nearly every visit has to hear "no" from them all.
    found: dict[str, list[str]] = {}
    for line in LIST.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            found.setdefault(line[:OPENING], []).append(line)
    return found
