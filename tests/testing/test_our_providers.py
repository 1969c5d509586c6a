"""Our own providers obey the laws for plug-ins, each over a small server of its own.

The servers are written from the services' documentation and share nothing with the simulators.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest

from watcher.providers import Provider, Request, Response
from watcher.providers.chatwoot import Chatwoot, ChatwootSettings
from watcher.providers.leadconnector import (
    HighLevel,
    HighLevelSettings,
    Leadway,
    LeadwaySettings,
)
from watcher.providers.leadping import Leadping, LeadpingSettings
from watcher.testing import ProviderSuite

TOKEN = "not-to-be-seen"
SHAPES = Path(__file__).parents[1] / "providers"


def recorded(name: str) -> Any:
    """Load a recorded body."""
    return json.loads((SHAPES / name).read_text())


REPLY = ".email.text_content.reply"


class TestChatwoot(ProviderSuite):
    rows_path = ("data", "payload")
    # `_conversation.json.jbuilder` leaves both out where there is none.
    empty_when_absent = frozenset({"assignee", "team"})
    free_objects = frozenset({"custom_attributes", "meta.sender.custom_attributes"})
    read_with: ClassVar = {
        "meta.assignee_type": frozenset({"assignee"}),
        # What a mail says of itself, in the words and the subject that the conversation has, too.
        **dict.fromkeys(
            (
                f"last_non_activity_message.content_attributes{path}"
                for path in ("", ".email", ".email.subject", ".email.text_content", REPLY)
            ),
            frozenset({"last_message"}),
        ),
    }

    def provider(self, *, raw: bool = False) -> Provider:
        settings = ChatwootSettings(base_url="https://chat.example", account_id=3, token=TOKEN)
        return Chatwoot(settings, raw=raw)

    def rows(self) -> Sequence[Any]:
        rows = []
        for number in range(1, 9):
            row = copy.deepcopy(recorded("chatwoot/show_v4_15.json"))
            age = timedelta(days=8 - number, minutes=number)
            at = int((self.now - age).timestamp())
            row |= {"id": number, "created_at": at - 1_000_000, "last_activity_at": at}
            row |= {"timestamp": at, "updated_at": at + 0.5}
            row |= {"waiting_since": at - 60, "first_reply_created_at": at - 3600}
            row["additional_attributes"] = {"mail_subject": "The invoice"}
            row["last_non_activity_message"] |= {
                "content_type": "incoming_email",
                "attachments": [{"id": 1, "file_type": "image"}],
                "content_attributes": {
                    "external_echo": False,
                    "automation_rule_id": None,
                    "email": {
                        "subject": "The invoice",
                        "text_content": {"reply": row["last_non_activity_message"]["content"]},
                    },
                },
                "additional_attributes": {"campaign_id": None},
            }
            row["messages"] = [copy.deepcopy(row["last_non_activity_message"])]
            rows.append(row)
        return rows

    def answer(self, request: Request, rows: Sequence[Any], size: int) -> Response:
        if request.path == "/api":
            return self.respond({"version": "4.15.1", "timestamp": "2026-11-20 10:00:00"})
        params = dict(request.params)
        last = request.path.rpartition("/")[2]
        if last != "conversations":
            found = [row for row in rows if str(row["id"]) == last]
            missing = {"error": "Resource could not be found"}
            return self.respond(found[0]) if found else self.respond(missing, 404)
        chosen = [row for row in rows if params["status"] in ("all", row["status"])]
        counts = {"all_count": len(chosen)}
        if params.get("sort_by") == "created_at_asc":
            chosen.sort(key=lambda row: row["created_at"])
        else:
            chosen.sort(key=lambda row: -row["last_activity_at"])
        if "updated_within" in params:
            edge = self.now.timestamp() - int(params["updated_within"])
            chosen = [row for row in chosen if row["updated_at"] > edge]
        else:
            first = (int(params.get("page", "1")) - 1) * size
            chosen = chosen[first : first + size]
        return self.respond({"data": {"meta": counts, "payload": chosen}})


class TestHighLevel(ProviderSuite):
    rows_path = ("conversations",)
    page_sizes = (20, 21, 25, 100)  # a shorter page is not cut off: the documented default is 20

    def provider(self, *, raw: bool = False) -> Provider:
        return HighLevel(HighLevelSettings(location_id="loc1", token=TOKEN), raw=raw)

    def rows(self) -> Sequence[Any]:
        rows = []
        sound = recorded("leadconnector/real.json")["conversations"][0]
        for number in range(45):
            at = int((self.now - timedelta(days=3, minutes=number // 2)).timestamp() * 1000)
            row = copy.deepcopy(sound)
            row |= {"id": f"conversation{number}", "lastMessageDate": at, "sort": [at]}
            row |= {"dateAdded": at - 1_000_000 - number, "unreadCount": number % 3}
            if number % 4 == 0:
                del row["assignedTo"]
            rows.append(row)
        return rows

    def answer(self, request: Request, rows: Sequence[Any], size: int) -> Response:
        params = dict(request.params)
        last = request.path.rpartition("/")[2]
        if last != "search":
            found = [row for row in rows if row["id"] == last]
            return self.respond(found[0]) if found else self.respond({"message": "Not found"}, 404)
        chosen = list(rows)
        if "id" in params:
            chosen = [row for row in chosen if row["id"] == params["id"]]
        if params.get("status") in ("unread", "read"):
            chosen = [r for r in chosen if (r["unreadCount"] > 0) == (params["status"] == "unread")]
        if owner := params.get("assignedTo"):
            chosen = [row for row in chosen if row.get("assignedTo", "unassigned") == owner]
        if "startDate" in params:
            low, high = int(params["startDate"]), int(params["endDate"])
            chosen = [row for row in chosen if low <= row["dateAdded"] <= high]
        sign = 1 if params.get("sort") == "asc" else -1
        chosen.sort(key=lambda row: sign * row["lastMessageDate"])
        total = len(chosen)
        if "startAfterDate" in params:
            after = int(params["startAfterDate"])
            chosen = [row for row in chosen if sign * row["lastMessageDate"] > sign * after]
        page = chosen[: min(size, int(params.get("limit", "20")))]
        return self.respond({"conversations": page, "total": total})


class TestLeadway(TestHighLevel):
    def provider(self, *, raw: bool = False) -> Provider:
        return Leadway(LeadwaySettings(location_id="loc1", token=TOKEN), raw=raw)


class TestLeadping(ProviderSuite):
    rows_path = ("items",)

    def provider(self, *, raw: bool = False) -> Provider:
        return Leadping(LeadpingSettings(token=TOKEN), raw=raw)

    def rows(self) -> Sequence[Any]:
        rows = []
        sound = recorded("leadping/september.json")["items"][0]
        for number in range(8):
            at = self.now - timedelta(days=2, minutes=number)
            row = copy.deepcopy(sound)
            row |= {"id": f"c-{number}", "leadId": f"l-{number}", "isArchived": number % 3 == 0}
            row |= {"lastEventAt": at.isoformat(), "isUnread": number % 2 == 0}
            rows.append(row)
        return rows

    def answer(self, request: Request, rows: Sequence[Any], size: int) -> Response:
        if request.path.startswith("/leads/"):
            lead = request.path.rpartition("/")[2]
            if any(row["leadId"] == lead for row in rows):
                return self.respond({"id": lead})
            return self.respond({"title": "Not Found"}, 404)
        chosen = list(rows)
        if request.path.startswith("/conversations/lead/"):
            chosen = [row for row in rows if row["leadId"] == request.path.rpartition("/")[2]]
        kind = dict(request.params).get("archiveFilter", "active")
        if kind != "all":
            chosen = [row for row in chosen if row["isArchived"] == (kind == "archived")]
        (order,) = request.json["orderBy"]
        chosen.sort(key=_event, reverse=order["direction"] == "desc")
        first = int(request.json.get("continuationToken", "0"))
        after = first + min(size, request.json["pageSize"])
        return self.respond(
            {
                "items": chosen[first:after],
                "totalCount": len(chosen),
                "continuationToken": str(after) if after < len(chosen) else None,
            }
        )


class ChatwootOfAllVersions(TestChatwoot):
    """Rows as servers since v2.9 and the enterprise edition wrote them."""

    def rows(self) -> Sequence[Any]:
        names = ("list_enterprise", "list_v2_9", "list_v3_5", "list_v4_15")
        lists = [recorded(f"chatwoot/{name}.json")["data"]["payload"] for name in names]
        return _renumbered([*lists[0], *super().rows()[:1], *lists[1], *lists[2], *lists[3]])


def _renumbered(rows: list[Any]) -> list[Any]:
    return [
        row | {"id": number, "created_at": 1_700_000_000 + number}
        for number, row in enumerate([rows[-1], *rows, rows[0]], 1)
    ]


class HighLevelOfAllShapes(TestHighLevel):
    """Rows as documented, as observed, and with numbers as text."""

    def rows(self) -> Sequence[Any]:
        names = ("real", "documented", "as_text")
        rows = [
            row for name in names for row in recorded(f"leadconnector/{name}.json")["conversations"]
        ]
        sorts = enumerate([rows[-1], *rows, rows[0]], 1_790_000_000_000)
        return [row | {"id": f"c{at}", "sort": [at]} for at, row in sorts]

    def answer(self, request: Request, rows: Sequence[Any], size: int) -> Response:
        return self.respond({"conversations": list(rows), "total": len(rows)})


class LeadpingOfAllMonths(TestLeadping):
    """Rows as Leadping wrote them from May to September 2026."""

    def rows(self) -> Sequence[Any]:
        names = ("seed", "june", "august", "september")
        rows = [row for name in names for row in recorded(f"leadping/{name}.json")["items"]]
        return [row | {"id": f"c{n}"} for n, row in enumerate([rows[-1], *rows, rows[0]])]

    def answer(self, request: Request, rows: Sequence[Any], size: int) -> Response:
        return self.respond({"items": list(rows), "continuationToken": None})


@pytest.mark.parametrize(
    "suite", [ChatwootOfAllVersions, HighLevelOfAllShapes, LeadpingOfAllMonths]
)
def test_an_odd_value_costs_itself_alone_in_every_recorded_row(suite: type[ProviderSuite]) -> None:
    suite().test_an_odd_value_costs_itself_alone()


def _event(row: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(row["lastEventAt"]).astimezone(UTC)
