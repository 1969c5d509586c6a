"""What every page has: headers, what it says of a refusal, and that nothing is loaded before a visit."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tests.api.harness import Door
from tests.pages.harness import send, visit
from watcher.api.access import ROLES
from watcher.pages import statics
from watcher.pages.page import find_route
from watcher.pages.table import FORMS, PAGES
from watcher.store.memory import MemoryStore

POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


@pytest.mark.parametrize("address", ["/", "/nowhere", "/static/none/w.css", "/sources/nobody"])
@pytest.mark.parametrize("level", ROLES)
async def test_each_answer_has_the_headers_of_a_page(address: str, level: str) -> None:
    answer = await visit(Door(MemoryStore(), level=level), address)  # type: ignore[arg-type]
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["content-security-policy"] == POLICY
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "same-origin"
    assert answer.headers["cross-origin-opener-policy"] == "same-origin"
    assert "<style" not in answer.text
    assert " style=" not in answer.text
    assert not re.search(r"<script(?! src=)", answer.text)
    assert answer.text.count("<h1") == 1


async def test_what_a_page_refers_to_never_changes_at_its_address() -> None:
    door = Door(MemoryStore())
    page = await visit(door, "/")
    addresses = set(re.findall(r'(?:href|src)="(/static/[^"]+)"', page.text))
    assert addresses == {one.address for one in statics.assets().values()}
    for address in [*addresses, *addresses]:
        answer = await visit(door, address)
        assert answer.status_code == 200
        assert answer.text
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert answer.headers["x-content-type-options"] == "nosniff"


async def test_a_page_for_others_says_where_to_sign_in() -> None:
    inner = next(one for one in PAGES if one.level != "anybody")
    answer = await visit(Door(MemoryStore(), level="anybody"), inner.path)
    assert answer.status_code == 401
    assert 'href="/enter"' in answer.text


async def test_an_unknown_address_is_a_page_that_says_so() -> None:
    answer = await visit(Door(MemoryStore()), "/<script>alert(1)</script>")
    assert answer.status_code == 404
    assert "there is no page at this address" in answer.text
    assert "<script>alert" not in answer.text


async def test_what_a_page_cannot_be_used_for_is_said() -> None:
    answer = await send(Door(MemoryStore()), "/", {"a": "b"})
    assert answer.status_code == 405
    assert set(answer.headers["allow"].split(", ")) == {"GET", "HEAD"}


@pytest.mark.parametrize("form", FORMS, ids=lambda one: f"{one.path}: {one.route}")
async def test_a_form_is_for_whom_its_route_is_for(form: object) -> None:
    path = form.path.replace("{", "").replace("}", "")  # type: ignore[attr-defined]
    route = form.route  # type: ignore[attr-defined]
    answer = await send(Door(MemoryStore(), level="anybody"), path, {"do": route})
    assert (answer.status_code, find_route(route).level) == (401, "operator")


def test_routes_that_pages_name_exist() -> None:
    for form in FORMS:
        assert find_route(form.route).method != "GET"


def test_a_daemon_that_nobody_visits_loads_no_page() -> None:
    program = "import sys, watcher.daemon.serving; print(*sys.modules, sep='\\n')"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    assert "watcher.daemon.front" in loaded
    assert not {"watcher.pages", "watcher.api"} & loaded
