"""
``python -m clouds.oracle.restore``: save the counter document, and bring back another one.

It goes where the function goes, by the same settings in the environment (BUCKET, OBJECT, NAMESPACE, TIMEZONE, ...), and
as whoever ``~/.oci/config`` names. A document is replaced only by what is a counter, after it was shown and agreed to,
and never without a copy of what was there. Visits may be counted meanwhile: they are in the copy, or in the counter.
"""

import argparse
import email
import email.policy
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import oci.config
import oci.exceptions
from oci.auth.signers import SecurityTokenSigner
from oci.signer import Signer, load_private_key_from_file

import object_storage
import resource_principal
from document import NotACounter, decode
from documents import Conflict, StoreError, Unavailable
from object_storage import ObjectStorage
from oracle_settings import OracleSettings
from settings import Environment, Settings
from tally import Limits, Tally

SECONDS = 20.0
ATTEMPTS = 5
YEAR_10000 = 253_402_300_800


class Refused(Exception):
    """Nothing was changed; the text says why."""


class Counter:
    """The stored document, and its earlier versions, of the function with these settings."""

    def __init__(self, oracle: OracleSettings, profile: str) -> None:
        self.name = oracle.object
        self._client = connect(oracle, profile)
        namespace = oracle.namespace or object_storage.namespace(self._client, SECONDS)
        self._bucket = (namespace, oracle.bucket)
        self._documents = ObjectStorage(self._client, namespace, oracle.bucket, oracle.object)

    def read(self) -> tuple[bytes, str | None]:
        """Return the document and its version, both empty when there is none. Raises StoreError."""
        return self._documents.read(SECONDS) or (b"", None)

    def waiting(self) -> int:
        """Return how many visits are in the journal and not in the document yet. Raises StoreError."""
        return len(self._documents.entries(SECONDS))

    def replace(self, data: bytes, agreed: bytes) -> bytes:
        """
        Put ``data`` in place of the document and return what was there: what was ``agreed`` to be replaced, or that
        with the visits that it got since. Raises StoreError, and Refused when a document came or went meanwhile.
        """
        for _ in range(ATTEMPTS):
            there, version = self.read()
            if bool(there) != bool(agreed):
                raise Refused("somebody else made or removed the document just now; nothing was changed")
            try:
                self._documents.write(data, version, SECONDS)
            except Conflict:
                continue
            except Unavailable:
                if self.read()[0] != data:  # the answer may have been lost, and not the write
                    raise
            return there
        raise Refused("the counter is too busy just now; nothing was changed, try again")

    def before(self, moment: datetime) -> bytes:
        """Return the document as it was at that moment, from the bucket's versions. Raises Refused, StoreError."""
        name, found = self.name, list[Any]()
        query = {"prefix": name, "fields": "name,timeModified"}
        try:
            while True:
                listed = self._client.list_object_versions(*self._bucket, **query)
                found += [one for one in listed.data.items if one.name == name and not one.is_delete_marker]
                if "opc-next-page" not in listed.headers:
                    break
                query["page"] = listed.headers["opc-next-page"]
            old = [one for one in found if one.time_modified < moment]
            if not old:
                raise Refused(
                    f"the bucket has no version from before {moment:%Y-%m-%d %H:%M %Z}. Is its versioning on? The "
                    "daily mail has the document, too: save the mail, and import it"
                )
            last = max(old, key=lambda one: one.time_modified)
            answer = self._client.get_object(*self._bucket, name, version_id=last.version_id)
            return bytes(answer.data.content)
        except oci.exceptions.ServiceError as error:
            raise Refused(f"the bucket does not show its versions: {error.status} {error.code}") from error


def connect(oracle: OracleSettings, profile: str) -> Any:
    """Return a client that signs as the function, where its identity is in the settings, or as ~/.oci/config says."""
    if oracle.principal:
        return object_storage.connect(resource_principal.signer(oracle.principal), oracle.object_storage_endpoint)
    config = oci.config.from_file(profile_name=profile)
    key = (config.get("key_file"), config.get("pass_phrase"))
    if token := config.get("security_token_file"):  # of `oci session authenticate`
        private = load_private_key_from_file(*key)
        signer = SecurityTokenSigner(Path(token).expanduser().read_text(), private)
    else:
        oci.config.validate_config(config)
        signer = Signer(config["tenancy"], config["user"], config["fingerprint"], *key)
    return object_storage.connect(signer, oracle.object_storage_endpoint, config)


def document_in(data: bytes) -> bytes:
    """
    Return the counter document in a file: all of it, or the JSON in the text of a daily mail.

    The mail may be saved whole (.eml) or only its text. Raises Refused when there is no counter in it.
    """
    try:
        decode(data, 0)
        return data
    except NotACounter as problem:
        reason = problem
    for text in (data.decode("utf-8", "replace"), body_of(data)):
        # From the end: the document is the last thing in a mail, but for what the mail service adds.
        starts = [at for at, sign in enumerate(text) if sign == "{" and text[:at].rpartition("\n")[2].strip() == ""]
        for at in reversed(starts):
            try:
                _, end = json.JSONDecoder().raw_decode(text, at)
                found = text[at:end].encode()
                decode(found, 0)
                return found
            except (ValueError, RecursionError):
                continue
    raise Refused(f"the file is no counter, and no mail with one in it: {reason}")


def body_of(data: bytes) -> str:
    """Return the plain text of a mail that was saved whole; nothing of any other file."""
    mail = email.message_from_bytes(data, policy=email.policy.default)
    body = mail.get_body(("plain",)) if "content-type" in mail else None
    return str(body.get_content()) if body else ""


def starting_at(pageviews: int, visitors: int) -> bytes:
    """Return a new document with these totals."""
    now = int(datetime.now(UTC).timestamp())
    return json.dumps({"pageviews": pageviews, "uniqueVisitors": visitors, "seen": [], "updatedAt": now}).encode()


def described(data: bytes) -> str:
    """Return what is in a document, in a line."""
    if not data:
        return "nothing: there is no document"
    try:
        tally = Tally.decode(data, Limits(seen=0))
    except NotACounter as problem:
        return f"{len(data):,} bytes that are no counter: {problem}"
    totals = f"{tally.pageviews:,} page views, {tally.unique:,} unique visitors"
    updated = tally.updated_at or 0
    known = 0 < updated < YEAR_10000
    return totals + (f", last counted {datetime.fromtimestamp(updated, UTC):%Y-%m-%d %H:%M} UTC" if known else "")


def put_in_place(counter: Counter, data: bytes, *, agreed: bool) -> None:
    """Show what would be replaced and by what, ask, and do it. Raises Refused, StoreError."""
    try:
        decode(data, 0)
    except NotACounter as problem:
        raise Refused(f"that is no counter: {problem}") from problem
    there, _ = counter.read()
    print(f"There now:  {described(there)}\nThen there: {described(data)}")
    if waiting := counter.waiting():
        print(f"{waiting} visits wait in the journal; the function will add them to what is there then.")
    if not agreed and input("Replace it? [y/N] ").strip().lower() not in ("y", "yes"):
        raise Refused("nothing was changed")
    replaced = counter.replace(data, there)
    if replaced:
        copy = Path(f"{counter.name.rpartition('/')[2]}.{datetime.now(UTC):%Y%m%dT%H%M%S%f}Z")
        copy.write_bytes(replaced)
        print(f"Done. What was there is in {copy}; to go back: import {copy}")
    else:
        print("Done.")


def arguments() -> argparse.ArgumentParser:
    """Return the command line, described."""
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--yes", action="store_true", help="replace what is there without asking")
    common.add_argument("--profile", default="DEFAULT", help="whom to be, in ~/.oci/config (default DEFAULT)")
    common.add_argument("--local", type=Path, metavar="FOLDER", help="the counter of `make run`, by its data: .local")
    parser = argparse.ArgumentParser(prog="python -m clouds.oracle.restore", description="Save or restore the counter.")
    commands = parser.add_subparsers(dest="command", required=True)
    save = commands.add_parser("export", parents=[common], help="save the document")
    save.add_argument("file", type=Path)
    bring = commands.add_parser("import", parents=[common], help="bring in a document, or the one in a daily mail")
    bring.add_argument("file", type=Path)
    start = commands.add_parser("start-at", parents=[common], help="begin anew at a number")
    start.add_argument("pageviews", type=int)
    start.add_argument("--visitors", type=int, default=0, help="unique visitors to begin with (default 0)")
    commands.add_parser("yesterday", parents=[common], help="bring back the document as it was when today began")
    return parser


def run(options: argparse.Namespace) -> None:
    """Do one command. Raises Refused, StoreError, OSError, and what the SDK finds wrong with its configuration."""
    variables: Mapping[str, str] | None = None
    if options.local:
        try:
            variables = json.loads((options.local / "function.json").read_text())
        except FileNotFoundError:
            raise Refused(f"no `make run` is running on {options.local}") from None
    environment = Environment(variables)
    oracle, timezone = OracleSettings.read(environment), Settings.read(environment).timezone
    environment.check()
    counter = Counter(oracle, options.profile)
    if options.command == "export":
        data, version = counter.read()
        if version is None:
            raise Refused("there is no document yet")
        with options.file.open("wb" if options.yes else "xb") as file:
            file.write(data)
        print(f"{options.file}: {described(data)}")
    elif options.command == "import":
        put_in_place(counter, document_in(options.file.read_bytes()), agreed=options.yes)
    elif options.command == "start-at":
        put_in_place(counter, starting_at(options.pageviews, options.visitors), agreed=options.yes)
    else:
        today = datetime.now(timezone).replace(hour=0, minute=0, second=0, microsecond=0)
        put_in_place(counter, counter.before(today), agreed=options.yes)


def main(given: Sequence[str] | None = None) -> None:
    """Run the command."""
    options = arguments().parse_args(given)
    try:
        run(options)
    except FileExistsError:
        raise SystemExit(f"restore: {options.file} is there already; --yes writes over it") from None
    except EOFError:
        raise SystemExit("restore: nobody is here to ask; nothing was changed, --yes does without") from None
    except (Refused, StoreError, OSError, ValueError, oci.exceptions.ClientError) as error:
        raise SystemExit(f"restore: {error}") from error


if __name__ == "__main__":
    main()
