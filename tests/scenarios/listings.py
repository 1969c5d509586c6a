"""Faults of listings: which requests ask for a later page, and rows other than the provider's."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from watcher.simulator import Fault

ROWS = {"leadping": "items", "highlevel": "conversations", "chatwoot": "payload"}


def edit(provider: str, change: Callable[[list[Any]], list[Any]]) -> Fault:
    """Change the rows of every listing."""

    def alter(body: bytes) -> bytes:
        whole = json.loads(body)
        holder = whole.get("data", whole)
        if isinstance(holder, dict) and isinstance(holder.get(ROWS[provider]), list):
            holder[ROWS[provider]] = change(holder[ROWS[provider]])
        return json.dumps(whole).encode()

    return Fault(alter=alter)


def later_pages(provider: str) -> Callable[[Any], bool]:
    """Match requests for a page after the first."""
    return {
        "leadping": lambda seen: bool((seen.json or {}).get("continuationToken")),
        "highlevel": lambda seen: "startAfterDate" in seen.params,
        "chatwoot": lambda seen: int(seen.params.get("page", "1")) > 1,
    }[provider]
