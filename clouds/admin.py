"""`python -m clouds.admin`: saves the counter document, restores another one, moves it to another cloud.

It uses the function's settings from the environment, and your own sign-in at the cloud; each cloud has an `admin.py`
for that. A document is replaced only by a valid one, after you have seen both and agreed, and its old version is saved
to a file first. Visits counted in the meantime are in that file or in the counter.
"""

import argparse
import importlib
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from clouds import other_counters, saved_file
from counter.document import NotACounter, decode
from counter.journal import Listing
from counter.settings import Environment, Settings
from counter.store import Conflict, Documents, Misconfigured, StoreError, Unavailable
from counter.tally import Tally

CLOUDS = Path(__file__).resolve().parent
ROOT = CLOUDS.parent
SECONDS = 20.0
ATTEMPTS = 5
PROGRAM = "python -m clouds.admin"


class Refused(Exception):
    """Nothing was changed; the message says why."""


class Doubtful(Unavailable):
    """The document may have been replaced, or still be replaced later."""


class Admin(Protocol):
    """The owner's access to a cloud's store from their own machine, implemented in `clouds/NAME/admin.py`."""

    name: str
    documents: Documents

    def __init__(self, environment: Environment, profile: str | None) -> None:
        """Connect to the store in the settings, as the user of `profile`. Raises SettingsError, StoreError."""

    def before(self, moment: datetime) -> bytes:
        """Return the document as it was at that moment. Raises Misconfigured if the store does not have it."""


class Counter:
    """The stored document, and the visits waiting in the journal."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents

    def read(self) -> tuple[bytes, str | None]:
        """Return the document and its version, or empty data and None if there is none. Raises StoreError."""
        return self._documents.read(SECONDS) or (b"", None)

    def waiting(self) -> int:
        """Return how many visits are waiting in the journal. Raises StoreError."""
        return len(self._documents.entries(SECONDS))

    def complete(self) -> tuple[bytes, int]:
        """Return the document with the visits in the journal, and how many they are. A corrupt document is returned as
        it is. Raises StoreError, and Refused if there is no document."""
        for _ in range(ATTEMPTS):
            data, version = self.read()
            listing = Listing.of(self._documents.entries(SECONDS))
            # An entry may have been folded and removed meanwhile: only an unchanged document and this listing are all.
            if self.read()[1] != version:
                continue
            if not listing.visits:
                break
            try:
                tally = Tally.empty() if version is None else Tally.decode(data, saved_file.KEPT)
            except NotACounter:
                break
            if missing := [visit for visit in listing.visits.values() if not tally.has(visit.id)]:
                data = tally.fold(listing.visits.values(), saved_file.KEPT).encode()
            return data, len(missing)
        else:
            raise Refused("the counter is too busy right now, try again")
        if version is not None:
            return data, 0
        raise Refused("there is no document yet")

    def replace(self, make: Callable[[bytes], bytes], *, exists: bool, copy: Path) -> None:
        """Replace the document by what `make` makes of it, after saving it to `copy` if it `exists`. Raises StoreError,
        OSError, and Refused if a document was created or removed in the meantime. If nothing was changed, the copy is
        removed."""
        try:
            for _ in range(ATTEMPTS):
                there, version = self.read()
                if exists is (version is None):
                    raise Refused("the document was created or removed just now; nothing was changed, try again")
                if exists:
                    copy.write_bytes(there)
                with suppress(Conflict):
                    self._write(make(there), version, copy)
                    return
            raise Refused("the counter is too busy right now; nothing was changed, try again")
        except Doubtful:
            raise
        except (Refused, StoreError, OSError):
            with suppress(OSError):
                copy.unlink()
            raise

    def _write(self, data: bytes, version: str | None, copy: Path) -> None:
        try:
            self._documents.write(data, version, SECONDS)
        except Unavailable as failure:
            with suppress(StoreError):  # perhaps only the answer was lost
                if failure.in_doubt and self.read()[0] == data:
                    return
            if not failure.in_doubt:
                raise
            message = f"{failure} The new document may still have been stored; the old one, if any, is in {copy}."
            raise Doubtful(message, in_doubt=True) from failure


def admin(cloud: str) -> type[Admin]:
    """Return a cloud's `Admin` class. Raises Refused if a package is not installed."""
    try:
        kind: type[Admin] = importlib.import_module(f"clouds.{cloud}.admin").Admin
    except ModuleNotFoundError as missing:
        needs = CLOUDS / cloud / "requirements.txt"
        file = (needs if needs.exists() else ROOT / needs.name).relative_to(ROOT)
        raise Refused(f"{missing.name} is not installed; run: .venv/bin/pip install -r {file}") from missing
    return kind


def save(counter: Counter, file: Path, *, over: bool) -> None:
    """Save the document, including the visits in the journal. Raises Refused, StoreError, OSError."""
    data, added = counter.complete()
    with file.open("wb" if over else "xb") as saved:
        saved.write(data)
    print(f"{file}: {saved_file.described(data)}")
    if added:
        print(f"{added} of the visits waited in the journal; they are in the file.")


def put_in_place(counter: Counter, name: str, make: Callable[[bytes], bytes], *, agreed: bool) -> None:
    """Show the document and what `make` makes of it, ask, and replace it. Raises Refused, StoreError."""
    stored, version = counter.read()
    exists = version is not None
    try:
        data = make(stored)
        decode(data, 0)
    except NotACounter as problem:
        raise Refused(f"that is not a counter document: {problem}") from problem
    now = saved_file.described(stored) if exists else "nothing: there is no document"
    print(f"Now:   {now}\nAfter: {saved_file.described(data)}")
    if waiting := counter.waiting():
        print(f"Visits waiting in the journal: {waiting}; the function will add them to the new document.")
    if not agreed and not agrees():
        raise Refused("nothing was changed")
    copy = Path(f"{name.rpartition('/')[2]}.{datetime.now(UTC):%Y%m%dT%H%M%S%f}Z")
    counter.replace(make, exists=exists, copy=copy)
    print(f"Done. The old document is in {copy}; to restore it: import {copy}" if exists else "Done.")


def agrees() -> bool:
    """Ask whether to go on. Raises EOFError if the input is not a terminal."""
    try:
        return input("Replace it? [y/N] ").strip().lower() in ("y", "yes")
    except KeyboardInterrupt:
        print()
        return False


class Options(argparse.Namespace):
    """The options of the command line, with their defaults."""

    command: str
    cloud = "oracle"
    yes = False
    profile: str | None = None
    local: Path | None = None
    file: Path
    kind: str
    pageviews: int
    visitors: int | None


def arguments() -> argparse.ArgumentParser:
    """Return the parser of the command line. Common options may be given before or after the command."""
    common = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    clouds = sorted(path.parent.name for path in CLOUDS.glob("*/admin.py"))
    common.add_argument("--cloud", choices=clouds, help="the counter's cloud (default oracle)")
    common.add_argument("--yes", action="store_true", help="replace the document or the file without asking")
    common.add_argument("--profile", help="a profile in ~/.oci/config or ~/.aws/config")
    common.add_argument(
        "--local", type=Path, metavar="FOLDER", help="use the counter of `make run`: its data folder, .local"
    )
    parser = argparse.ArgumentParser(prog=PROGRAM, description="Save, restore or move the counter.", parents=[common])
    commands = parser.add_subparsers(dest="command", required=True)
    export = commands.add_parser("export", parents=[common], help="save the document")
    export.add_argument("file", type=Path)
    bring = commands.add_parser("import", parents=[common], help="restore a saved document, or the one in a daily mail")
    bring.add_argument("file", type=Path)
    other = commands.add_parser("import-from", parents=[common], help="add the numbers of another counter")
    other.add_argument("kind", choices=sorted(other_counters.READERS), help="which one")
    other.add_argument("file", type=Path, help="what it exported; docs/restore.md says how")
    start = commands.add_parser("start-at", parents=[common], help="continue at a number, and keep the history")
    start.add_argument("pageviews", type=int)
    start.add_argument("--visitors", type=int, help="unique visitors to continue at (default: as many as there are)")
    commands.add_parser("yesterday", parents=[common], help="restore the document as it was at the start of today")
    return parser


def run(options: Options) -> None:
    """Run one command. Raises Refused, StoreError, OSError and SettingsError."""
    variables: Mapping[str, str] | None = None
    if options.local:
        try:
            variables = json.loads((options.local / "function.json").read_text())
        except FileNotFoundError:
            raise Refused(f"no `make run` is using {options.local}; start it, or name its data folder") from None
    environment = Environment(variables)
    settings = Settings.read(environment)
    own = admin(options.cloud)(environment, options.profile)
    counter = Counter(own.documents)
    if options.command == "export":
        save(counter, options.file, over=options.yes)
        return
    put_in_place(counter, own.name, replacement(options, own, settings), agreed=options.yes)


def replacement(options: Options, own: Admin, settings: Settings) -> Callable[[bytes], bytes]:
    """Return what makes the new document out of the stored one. Raises Refused, StoreError, OSError, ValueError."""
    today = datetime.now(settings.timezone)
    if options.command == "start-at":
        return lambda there: saved_file.starting_at(there, options.pageviews, options.visitors)
    if options.command == "import-from":
        data = options.file.read_bytes()
        numbers = other_counters.read(options.kind, data)
        print(f"Adds:  {numbers.described()}")
        return lambda there: other_counters.added(there, numbers, data, today.date(), settings.limits)
    if options.command == "import":
        document = saved_file.parse(options.file.read_bytes())
    else:
        try:
            document = own.before(today.replace(hour=0, minute=0, second=0, microsecond=0))
        except Misconfigured as error:
            raise Refused(f"{error} The daily mail also has the document: save the mail, and import it") from error
    return lambda _: document


def main(given: Sequence[str] | None = None) -> None:
    """Run the command."""
    options = arguments().parse_args(given, Options())
    try:
        run(options)
    except FileExistsError:
        raise SystemExit(f"{PROGRAM}: {options.file} exists; use --yes to overwrite it") from None
    except EOFError:
        raise SystemExit(f"{PROGRAM}: cannot ask without a terminal; nothing was changed, use --yes to agree") from None
    except KeyboardInterrupt:
        print(f"\n{PROGRAM}: stopped; check the counter, the document may have been replaced", file=sys.stderr)
        raise SystemExit(130) from None
    except (Refused, StoreError, OSError, ValueError) as error:
        raise SystemExit(f"{PROGRAM}: {error}") from error


if __name__ == "__main__":
    main()
