"""What stands between the function and DynamoDB's engine on a laptop, in DynamoDB's words."""

import json

from aiohttp import web

from local.engine_proxy import EngineProxy

TARGET = "DynamoDB_20120810."


class DynamoDBProxy(EngineProxy):
    """Calls requests by their operation. "400 ThrottlingException" is a status and the code of an error to answer in
    the engine's place; JSON is said as it is."""

    def kind(self, request: web.BaseRequest) -> str:
        """Return the operation."""
        return request.headers.get("x-amz-target", "").removeprefix(TARGET)

    def error_answer(self, answer: str) -> web.StreamResponse:
        """Return an answer of DynamoDB's: a status, and JSON or the code of an error."""
        status, _, told = answer.partition(" ")
        error = {"__type": f"com.amazonaws.dynamodb.v20120810#{told}", "message": "the table of somebody"}
        text = told if told.startswith("{") else json.dumps(error)
        return web.Response(status=int(status), text=text, content_type="application/x-amz-json-1.0")
