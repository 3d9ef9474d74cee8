"""Kinds of page that people wrote for other counters, each reduced to what it asks and reads; only the address is ours.

A page's statements find the counter's address as `api`, and hand the number that they show to `show`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Page(NamedTuple):
    """What comes behind the address of /counter, the page's statements, and whether they show a number."""

    query: str
    statements: str
    shows: bool = True


def reads(number: str, query: str = "", options: str = "{}") -> Page:
    """A page that fetches an object and shows a `number` out of it."""
    return Page(query, f"fetch(api, {options}).then(r => r.json()).then(data => show({number}))")


JSON_HEADER = '{headers: {"Content-Type": "application/json"}}'
WORKING: Mapping[str, Page] = {
    "data.count": reads("data.count"),
    "data.count, awaited": Page("", "(async () => show((await (await fetch(api)).json()).count))()"),
    "data.count behind a key": reads("data.count", "?code=a-key-of-azure-functions=="),
    "data.count, with a content type": reads("data.count", options=JSON_HEADER),
    "data.count, past every cache": reads("data.count", options='{cache: "no-store"}'),
    "POST of {}": reads("data.count", options='{method: "POST", body: "{}"}'),
    "POST of an id": reads("data.count", options='{method: "POST", body: JSON.stringify({id: "home"})}'),
    "POST of a count, as JSON": reads(
        "data.count",
        options='{method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify({count: 1})}',
    ),
    "POST of nothing": reads("data.count", options='{method: "POST"}'),
    "the first of three names": reads("data.count ?? data.visit_count ?? data.visitor_count"),
    "the first member": reads("Object.values(data)[0]"),
    "XMLHttpRequest": Page(
        "",
        "const x = new XMLHttpRequest(); x.open('GET', api); "
        "x.onload = () => show(JSON.parse(x.responseText).count); x.send()",
    ),
    "jQuery's headers": reads("data.count", options='{headers: {"X-Requested-With": "XMLHttpRequest"}}'),
    "htmx's headers": reads(
        "data.count", options='{headers: {"HX-Request": "true", "HX-Current-URL": location.href, "HX-Target": "n"}}'
    ),
    "a status that must be success": reads('data.status === "success" ? data.count : "failed"'),
    "text": Page("?as=number", "fetch(api).then(r => r.text()).then(show)"),
    "JSON that is a number": Page("?as=number", "fetch(api).then(r => r.json()).then(number => show(number + 0))"),
    **{
        f"data.{name}": reads(f'data["{name}"]', f"?as={name}")
        for name in (
            "visits", "Visits", "views", "value", "visitorCount", "visitor_count", "Visit_Count", "totalVisits",
            "Counter", "visitor-counter",
        )
    },
    "visits, with an API key": reads("data.visits", "?as=visits", '{headers: {"X-Api-Key": "a-key"}}'),
    "GET reads, POST counts": Page(
        "",
        "fetch(`${api}?peek=1`).then(r => r.json()).then(data => fetch(api, {method: 'POST'}))"
        ".then(r => r.json()).then(data => show(data.count))",
    ),
    "a form of fields": reads("data.count", options='{method: "POST", body: new URLSearchParams({page: "home"})}'),
    "a form with files": reads("data.count", options='{method: "POST", body: new FormData()}'),
    "a form that is sent": Page(
        "",
        'const form = Object.assign(document.createElement("form"), {method: "post", action: api, target: "frame"});'
        'form.innerHTML = "<input name=page value=home>"; document.body.append(form); form.submit()',
        shows=False,
    ),
    "a beacon of fields": Page("", 'navigator.sendBeacon(api, new URLSearchParams({page: "home"}))', shows=False),
    "a beacon of JSON": Page(
        "", 'navigator.sendBeacon(api, new Blob([JSON.stringify({id: "home"})]))', shows=False
    ),
    "no-cors": Page("", 'fetch(api, {mode: "no-cors"})', shows=False),
    "an image": Page("", "new Image().src = api", shows=False),
}  # fmt: skip

NOT_WORKING: Mapping[str, tuple[Page, str]] = {
    "JSON.parse(data.body).visits": (
        reads("JSON.parse(data.body).visits", "?as=visits"),
        "the body of a Lambda answer inside of the answer: a mistake in the gateway that the page made up for",
    ),
    "data.body.count": (reads("data.body.count"), "the same"),
    "Attributes.count.N": (reads("data.Attributes.count.N"), "a database's own answer, handed on as it is"),
    "Item.visits": (reads("data.Item.visits", "?as=visits"), "the same"),
    "ddbResponse.Attributes.visits": (reads("data.ddbResponse.Attributes.visits", "?as=visits"), "the same"),
    "PUT counts": (reads("data.count", options='{method: "PUT"}'), "405: change it to POST"),
    "cookies": (
        reads("data.count", options='{credentials: "include"}'),
        "a browser refuses what is allowed to every site: leave `credentials` out",
    ),
    "a beacon of JSON with its type": (
        Page(
            "",
            'navigator.sendBeacon(api, new Blob(["{}"], {type: "application/json"}))',
            shows=False,
        ),
        "the browser asks first whether it may send cookies along, and no answer allows that: leave the type out",
    ),
}
"""What needs more than another address, and why."""
