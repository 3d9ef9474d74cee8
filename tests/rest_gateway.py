"""A stand-in of a REST API as AWS's Terraform makes one here: closed to what is no resource, and to who has no key."""

from __future__ import annotations

from collections.abc import Mapping

from local.entrypoint import Entrypoint, HttpAnswer, HttpCall

METHODS = ("GET", "HEAD", "POST", "OPTIONS")


class RestGateway:
    """Passes on the `resources` alone, each with its methods, to whoever sends the usage plan's `key`; a browser's
    preflight carries none. Everything else it answers itself, as AWS does."""

    def __init__(self, behind: Entrypoint, resources: Mapping[str, tuple[str, ...]], key: str) -> None:
        self.prefix = behind.prefix
        self._behind = behind
        self._resources = resources
        self._key = key

    async def http(self, call: HttpCall) -> HttpAnswer:
        """Answer a request, or pass it on. Raises FunctionFailed."""
        path = call.target.partition("?")[0].removeprefix(self.prefix)
        if call.method not in self._resources.get(path, ()):
            return _refused("MissingAuthenticationTokenException", "Missing Authentication Token")
        keys = [value for name, value in call.headers if name.lower() == "x-api-key"]
        if call.method != "OPTIONS" and keys != [self._key]:
            return _refused("ForbiddenException", "Forbidden")
        return await self._behind.http(call)

    async def invoke(self, body: bytes) -> bytes:
        """Call the function directly. Raises FunctionFailed."""
        return await self._behind.invoke(body)


def _refused(kind: str, message: str) -> HttpAnswer:
    headers = [("content-type", "application/json"), ("x-amzn-errortype", kind)]
    return HttpAnswer(403, headers, f'{{"message":"{message}"}}'.encode())
