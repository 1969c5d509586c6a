"""The tables of docs/events.md on what each provider shows are those of the providers."""

from __future__ import annotations

import pytest

from tests.docs.pages import read
from watcher.config.discovery import installed_providers

COLUMNS = {"highlevel": 0, "leadway": 0, "leadping": 1, "chatwoot": 2}
FIELDS = {
    "unread count": ("unread_count",),
    "assignee": ("assignee",),
    "disposition": ("disposition",),
    "labels": ("labels",),
    "channel": ("channel",),
    "creation time": ("created_at",),
}


def table(heading: str) -> dict[str, list[str]]:
    section = read("events.md").split(f"## {heading}")[1].split("\n## ")[0]
    lines = [one for one in section.splitlines() if one.startswith("|")][2:]
    cells = [[cell.strip() for cell in one.strip("|").split("|")] for one in lines]
    return {first: rest for first, *rest in cells}


@pytest.mark.parametrize("provider", COLUMNS)
def test_what_the_page_says_is_never_shown_is_never_shown(provider: str) -> None:
    never = installed_providers()[provider]().coverage.never
    shown = table("What each provider shows")
    for name, fields in FIELDS.items():
        cell = shown[name][COLUMNS[provider]]
        for field in fields:
            assert (field in never) is (cell in ("never", "by mapping")), (name, field)
    cell = shown["team, priority, status"][COLUMNS[provider]]
    found = {"team", "priority", "status"} - never
    expected = {"never": set(), "status only": {"status"}, "yes": {"team", "priority", "status"}}
    assert found == expected[cell]


@pytest.mark.parametrize("provider", COLUMNS)
def test_the_attributes_of_the_page_are_those_of_the_provider(provider: str) -> None:
    rows = table("What is tracked in `attributes`")
    (cell,) = next(rest for names, rest in rows.items() if provider in names.lower().split(", "))
    keys = {one.split("`")[0] for one in cell.split("`")[1::2]}
    assert keys == set(installed_providers()[provider]().coverage.attributes or {})
