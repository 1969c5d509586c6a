"""Every page in a real browser: accessible, within its screen, silent, small, whole without JavaScript."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

pytest.importorskip("playwright", reason="playwright is not installed")

from playwright.sync_api import Browser

from tests.pages.browser import CHROMIUM, Site, browsing, serving, visiting
from tests.pages.states import ADDRESSES

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium (`apt-get install chromium`)"),
    pytest.mark.xdist_group("browser"),
]

CASES = [(address, state) for address, states in ADDRESSES.items() for state in states]
MOST_REQUESTS, MOST_BYTES = 5, 25_000


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with serving() as found:
        yield found


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with browsing() as found:
        yield found


def expected(line: str) -> bool:
    """Return whether the browser itself says that a page is one of a refusal."""
    return "the server responded with a status of 4" in line


@pytest.mark.parametrize(("address", "state"), CASES)
def test_a_page_has_nothing_to_complain_of(
    site: Site, browser: Browser, address: str, state: str
) -> None:
    with visiting(browser, site.at(state) + address) as visited:
        assert [one for one in visited.complaints() if not expected(one)] == []
        assert len(visited.responses) <= MOST_REQUESTS
        assert visited.received <= MOST_BYTES


@pytest.mark.parametrize("address", ["/", "/sources"])
def test_nor_for_whoever_has_not_signed_in(site: Site, browser: Browser, address: str) -> None:
    with visiting(browser, site.at("attention", "anybody") + address) as visited:
        assert visited.complaints() == []


@pytest.mark.parametrize(("address", "state"), CASES)
def test_a_page_is_whole_without_javascript(
    site: Site, browser: Browser, address: str, state: str
) -> None:
    shown = []
    for javascript in (True, False):
        with visiting(browser, site.at(state) + address, javascript=javascript) as visited:
            parts = visited.page.locator("main :is(h1, h2, a, summary, th, button:not(#news))")
            shown.append(parts.all_inner_texts())
            assert visited.page.get_by_role("button", name="Pause").count() == (
                javascript and visited.page.locator("[data-follow]").count()
            )
    assert shown[0] == shown[1]


def test_a_hold_is_decided_with_the_keyboard_and_without_javascript(
    site: Site, browser: Browser
) -> None:
    with visiting(
        browser, site.at("attention") + "/sources/leads/hold", javascript=False
    ) as visited:
        page = visited.page
        page.locator("summary", has_text="Discard").press("Enter")
        page.get_by_role("button", name="Discard the sweep").press("Enter")
        page.get_by_text("Discarded: nothing happened.").wait_for()
        assert page.url == site.at("attention") + "/sources/leads"
        page.reload()
        assert page.get_by_text("Discarded: nothing happened.").count() == 0
