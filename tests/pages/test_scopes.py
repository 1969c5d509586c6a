"""Who sees some sources, or not all fields: no page tells him of anything else."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import quote

import anyio
from hypothesis import given

from tests.api.harness import Door
from tests.api.test_scopes import PRINCIPALS, SOURCES, fill, hidden, outside
from tests.pages.harness import visit
from watcher.api.access import Principal
from watcher.pages.table import PAGES
from watcher.store.memory import MemoryStore


def addresses() -> Iterator[str]:
    """Yield every page, and those of each thing of every source."""
    for page in PAGES:
        if "{" not in page.path:
            yield page.path
            continue
        for source in SOURCES:
            for id_ in (f"e-{source}", f"c-{source}"):
                named = page.path.replace("{name}", source).replace("{source}", source)
                yield re.sub(r"{[^}]+}", quote(id_), named)
    yield from (f"/find?q={one}" for one in ("Rosalinde", "globex", "4955501"))


@given(PRINCIPALS)
def test_no_page_tells_of_anything_else(who: Principal) -> None:
    async def main() -> None:
        store = MemoryStore()
        await fill(store)
        door = Door(store, who=who, watched=SOURCES)
        for address in dict.fromkeys(addresses()):
            answer = await visit(door, address)
            assert answer.status_code in (200, 303, 401, 403, 404), (address, answer.text)
            # What was asked for may be said again.
            shown = answer.text
            for asked in (address, *re.findall(r"[\w-]+", address)):
                shown = shown.replace(asked, "")
            assert [one for one in (*outside(who), *hidden(who)) if one in shown] == [], address

    anyio.run(main)


async def test_who_sees_some_sources_has_an_overview_of_them() -> None:
    store = MemoryStore()
    await fill(store)
    door = Door(store, who=Principal("acme", "viewer", "acme-*"), watched=SOURCES)
    for address in ("/", "/sources", "/sources/acme-north"):
        answer = await visit(door, address)
        assert answer.status_code == 200
        assert "acme-north" in answer.text
