"""docs/api.md has every route and every problem; `python -m tests.docs.test_api_page` writes them there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from watcher.api.models import Listing
from watcher.api.problems import PROBLEMS
from watcher.api.routes import BASE, ROUTES, Route
from watcher.archive import MOST
from watcher.feed import MOST_FOLLOWERS

PAGE = Path(__file__).parents[2] / "docs" / "api.md"
WHO = {"anybody": "everybody", "viewer": "whoever may read", "operator": "the operator"}


def _who(route: Route) -> str:
    bound = route.scoped and route.level != "anybody"
    return WHO[route.level] + (", of his sources" if bound else "")


def _routes() -> str:
    lines = ["| | address | what | who |", "|---|---|---|---|"]
    lines += [
        f"| {one.method} | `{BASE}{one.path}` | {one.summary} | {_who(one)} |" for one in ROUTES
    ]
    return "\n".join(lines)


def _problems() -> str:
    lines = ["| type | status | title |", "|---|---|---|"]
    lines += [
        f"| `/problems/{name}` | {status} | {title} |" for name, (status, title) in PROBLEMS.items()
    ]
    return "\n".join(lines)


PARTS = {"routes": _routes, "problems": _problems}


def _part(name: str) -> re.Pattern[str]:
    return re.compile(rf"(<!-- {name}: [^\n]*-->\n)(.*?)(<!-- end of {name} -->)", re.DOTALL)


@pytest.mark.parametrize("name", PARTS)
def test_the_page_has_what_the_table_says(name: str) -> None:
    found = _part(name).search(PAGE.read_text(encoding="utf-8"))
    assert found is not None
    assert found[2].strip() == PARTS[name]()


def test_its_figures_are_the_products() -> None:
    text = " ".join(PAGE.read_text(encoding="utf-8").split())
    default = Listing.model_fields["limit"].default
    assert f"`limit` is 1 to {MOST}, by default {default}." in text
    assert f"At most {MOST_FOLLOWERS} follow at once" in text


if __name__ == "__main__":
    text = PAGE.read_text(encoding="utf-8")
    for name, make in PARTS.items():
        found = _part(name).search(text)
        assert found is not None
        text = text.replace(found[0], f"{found[1]}\n{make()}\n\n{found[3]}")
    PAGE.write_text(text, encoding="utf-8")
