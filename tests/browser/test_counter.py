"""The whole way, in a real browser: the demo page, the gateway, the function, the storage, and the owner's page."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from browser.conftest import until

from clouds.oracle.laptop.serving import Serving

if TYPE_CHECKING:
    from browser.conftest import NewVisitor

pytestmark = pytest.mark.browser
TOKEN = "a-token-for-the-owner-only"
SHOWN = "document.querySelector('#{}').shadowRoot?.textContent == '{}'"


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """Run the counter for the tests of this file."""
    config = {"REPORT_TOKEN": TOKEN, "SALT": "browser", "SITE_NAME": "Ada's page"}
    with Serving(tmp_path_factory.mktemp("browser"), containers=2, config=config) as serving:
        yield serving


def test_a_page_in_a_browser_is_counted(here: Serving, new_visitor: NewVisitor) -> None:
    """The number goes up by one a visit and the unique number by one a browser, and the badge shows it."""
    first, second = new_visitor(locale="en-US"), new_visitor(locale="en-US")
    page = first.open(f"{here.url}/")
    until(page, SHOWN.format("count", 1) + "&&" + SHOWN.format("unique", 1))
    page.get_by_role("button", name="Visit again").click()
    page.wait_for_load_state()
    until(page, SHOWN.format("count", 2) + "&&" + SHOWN.format("unique", 1))
    page.locator("#badge-card").wait_for(state="visible")
    other = second.open(f"{here.url}/")
    until(other, SHOWN.format("count", 3) + "&&" + SHOWN.format("unique", 2))

    stored = here.objects.get("cloud-resume-data", "counter.json")

    assert stored
    document = json.loads(stored.data)
    assert (document["pageviews"], document["uniqueVisitors"]) == (3, 2)
    assert first.complaints == second.complaints == []


@pytest.mark.slow
@pytest.mark.parametrize("count_on", ["GET", "POST"])
def test_either_way_of_counting_counts(count_on: str, tmp_path: Path, new_visitor: NewVisitor) -> None:
    """The element counts whatever COUNT_ON is, also for one who gives no id and so sends nothing at all."""
    private = 'Object.defineProperty(Navigator.prototype, "globalPrivacyControl", { get: () => true })'
    with Serving(tmp_path, containers=1, config={"SALT": "browser", "COUNT_ON": count_on}) as serving:
        until(new_visitor().open(f"{serving.url}/"), SHOWN.format("count", 1) + "&&" + SHOWN.format("unique", 1))
        somebody = new_visitor()
        somebody.context.add_init_script(private)
        until(somebody.open(f"{serving.url}/"), SHOWN.format("count", 2) + "&&" + SHOWN.format("unique", 1))


def test_the_owner_sees_the_numbers(here: Serving, new_visitor: NewVisitor) -> None:
    """The owner's page opens with the token and shows what /stats of the real function says."""
    page = new_visitor(locale="en-US").open(f"{here.url}/v1/owner")
    page.get_by_label("Token").fill(TOKEN)
    page.get_by_role("button", name="Show").click()
    page.get_by_role("heading", name="Ada's page").wait_for()
    page.get_by_text("Free tier this month").wait_for()
