"""The owner's access to the table from their own machine."""

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
    """The function's stored document, accessed with the same credentials as the AWS CLI: keys in the environment, a
    profile, or `aws sso login`."""

    def __init__(self, environment: Environment, profile: str | None) -> None:
        aws = AwsSettings.read(environment)
        environment.check()
        self.name = f"{aws.counter_id}.json"
        session = signed_in(environment, profile)
        client = connect("dynamodb", aws.region, aws.dynamodb_endpoint, seconds=SECONDS, session=session)
        self.documents = DynamoDB(client, aws.table, aws.counter_id, key=aws.key, attribute=aws.attribute)

    def before(self, moment: datetime) -> NoReturn:
        """Raise Misconfigured, saying how to restore an earlier state with DynamoDB's own means."""
        raise Misconfigured(
            f"DynamoDB keeps no readable versions. Restore the table to {moment:%Y-%m-%d %H:%M %Z} into a new one with "
            "point-in-time recovery, export from it with TABLE_NAME set to its name, and import that file."
        )


def signed_in(environment: Environment, profile: str | None) -> Session:
    """Return a session with credentials. Raises Misconfigured."""
    session = Session(profile=profile)
    names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
    key, secret, token = (environment.text(name) for name in names)
    if key and secret and not profile:
        session.set_credentials(key, secret, token)
    try:
        found = session.get_credentials()
        if found is not None:
            found.get_frozen_credentials()  # fails if a sign-in has expired
            return session
    except (BotoCoreError, ClientError) as error:
        raise Misconfigured(f"You are not signed in to AWS. {error}") from error
    raise Misconfigured("You are not signed in to AWS: run `aws configure` or `aws sso login`, or use --profile.")
