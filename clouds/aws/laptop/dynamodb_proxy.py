"""The proxy between the function and the DynamoDB engine on a laptop."""

import json

from aiohttp import web

from local.engine_proxy import EngineProxy

TARGET = "DynamoDB_20120810."


class DynamoDBProxy(EngineProxy):
    """Names requests by their operation. A fault like "400 ThrottlingException" is a status and either the code of an
    error or a JSON body to answer in the engine's place."""

    def kind(self, request: web.BaseRequest) -> str:
        """Return the request's operation, such as PutItem."""
        return request.headers.get("x-amz-target", "").removeprefix(TARGET)

    def error_answer(self, answer: str) -> web.StreamResponse:
        """Return DynamoDB's answer for a fault given as a status and either JSON or an error code."""
        status, _, body = answer.partition(" ")
        error = {"__type": f"com.amazonaws.dynamodb.v20120810#{body}", "message": "the table of somebody"}
        text = body if body.startswith("{") else json.dumps(error)
        return web.Response(status=int(status), text=text, content_type="application/x-amz-json-1.0")
