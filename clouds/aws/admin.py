"""The owner's way to the table, from his own machine."""

from datetime import datetime
from typing import NoReturn

from botocore.exceptions import BotoCoreError, ClientError
from botocore.session import Session

from clouds.aws.function.client import connect
from clouds.aws.function.dynamodb import DynamoDB
from clouds.aws.function.settings import AwsSettings
from counter.settings import Environment
from counter.store import Misconfigured

SECONDS = 20.0


class Admin:
    """The stored document of the function with these settings; as the AWS CLI would be: by the keys in the environment,
    by a profile, by a sign-on of `aws sso login`."""

    def __init__(self, environment: Environment, profile: str | None) -> None:
        aws = AwsSettings.read(environment)
        environment.check()
        self.name = f"{aws.counter_id}.json"
        session = signed_in(environment, profile)
        client = connect("dynamodb", aws.region, aws.dynamodb_endpoint, seconds=SECONDS, session=session)
        self.documents = DynamoDB(client, aws.table, aws.counter_id, key=aws.key, attribute=aws.attribute)

    def before(self, moment: datetime) -> NoReturn:
        """Say how DynamoDB brings back what was. Raises Misconfigured."""
        raise Misconfigured(
            f"DynamoDB keeps no versions to look at. Restore the table to {moment:%Y-%m-%d %H:%M %Z} (point-in-time "
            "recovery), into another table, export from that one with its name in TABLE_NAME, and import it."
        )


def signed_in(environment: Environment, profile: str | None) -> Session:
    """Return a session that knows who it is. Raises Misconfigured."""
    session = Session(profile=profile)
    names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
    key, secret, token = (environment.text(name) for name in names)
    if key and secret and not profile:
        session.set_credentials(key, secret, token)
    try:
        found = session.get_credentials()
        if found is not None:
            found.get_frozen_credentials()  # a sign-on that has run out says so only now
            return session
    except (BotoCoreError, ClientError) as error:
        raise Misconfigured(f"AWS does not know who you are. {error}") from error
    raise Misconfigured("AWS does not know who you are: run `aws configure` or `aws sso login`, or name a --profile.")
