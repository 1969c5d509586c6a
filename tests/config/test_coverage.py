"""What no configured source can ever show is a warning, with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from watcher.config.load import load

LEADS = "leads: {provider: leadping, token: not-a-real-token}"
DESK = "desk: {provider: chatwoot, account_id: 3, token: not-a-real-token}"
INBOX = "inbox: {provider: highlevel, location_id: abc, token: not-a-real-token}"


def warned(
    tmp_path: Path,
    sources: str,
    *,
    when: str = "conversation.*",
    where: str = "conversation.unread",
) -> list[str]:
    file = tmp_path / "inbox.yaml"
    file.write_text(
        "sources:\n  "
        + sources.replace("\n", "\n  ")
        + "\nreceivers: {crm: {type: webhook, url: 'http://127.0.0.1/'}}\nrules:\n"
        + f"  - name: A\n    when: {when}\n    where: {where}\n    notify: crm\n"
        + "  - name: Trouble\n    when: source.*\n    notify: crm\n"
    )
    found = [str(one) for one in load([file], environ={}).warnings]
    return [one.removeprefix(f"{file}:") for one in found]


@pytest.mark.parametrize(
    ("where", "beginning"),
    [
        (
            "conversation.attributes.inbox_id == 4",
            "7:45: `where`: with chatwoot, this compares a text with a number; they are never equal"
            ' (did you mean `"4"`?)',
        ),
        ("conversation.attributes.inbox_id != 4", "7:45: `where`: with chatwoot, this compares"),
        ("4 == conversation.attributes.inbox_id", "7:14: `where`: with chatwoot, this compares"),
        ("conversation.attributes.inbox_id < 4", "7:45: `where`: with chatwoot, this compares"),
        ("conversation.attributes.inbox_id == -4", "7:45: `where`: with chatwoot, this compares"),
        ("conversation.attributes['inbox_id'] == 4", "7:48: `where`: with chatwoot, this compares"),
        (
            "conversation.attributes.inbox_id == conversation.unread_count",
            "7:45: `where`: with chatwoot, this compares a text with a number",
        ),
        (
            "has(changes.attributes) && changes.attributes.after.inbox_id == 4",
            "7:73: `where`: with chatwoot, this compares a text with a number",
        ),
        (
            "conversation.attributes.inbox_id in ['4', 5]",
            "7:54: `where`: with chatwoot, this compares a text with a number; they are never equal"
            ' (did you mean `"5"`?)',
        ),
        (
            "4 in [conversation.attributes.inbox_id]",
            "7:12: `where`: with chatwoot, this looks for a number in a list where each",
        ),
        (
            "conversation.attributes.inbox_id && conversation.unread",
            "7:12: `where`: with chatwoot, conversation.attributes.inbox_id is a text, but only",
        ),
        (
            "conversation.attributes.muted == 'yes'",
            "7:42: `where`: with chatwoot, this compares true or false with a text",
        ),
        (
            "conversation.attributes.inbox == '4'",
            "7:12: `where`: no configured source shows conversation.attributes.inbox (did you mean",
        ),
        (
            "conversation.status == 'opened'",
            "7:35: `where`: with chatwoot, conversation.status is never 'opened'; it is one of open,"
            ' pending, resolved, snoozed (did you mean `"open"`?)',
        ),
        ("conversation.status in ['opened']", "7:36: `where`: with chatwoot, conversation.status"),
        (
            "has(changes.priority) && changes.priority.after == 'urgnt'",
            "7:63: `where`: with chatwoot, changes.priority.after is never 'urgnt'; it is one of",
        ),
        (
            "has(changes.disposition)",
            "7:16: `where`: no configured source shows changes.disposition (chatwoot)",
        ),
        (
            "conversation.disposition.label == 'won'",
            "7:12: `where`: no configured source shows conversation.disposition.label (chatwoot)",
        ),
    ],
)
def test_what_chatwoot_never_shows(tmp_path: Path, where: str, beginning: str) -> None:
    (one,) = warned(tmp_path, DESK, where=where)
    assert one.startswith(beginning), one


@pytest.mark.parametrize(
    ("sources", "when", "count"),
    [
        (LEADS, "conversation.assigned", 1),
        (LEADS, "[conversation.unread, conversation.team_changed]", 1),
        (LEADS, "conversation.labels_changed", 1),
        (LEADS, "conversation.waiting", 1),
        (LEADS, "conversation.answered", 1),
        (f"{LEADS}\n{DESK}", "conversation.waiting", 0),
        (LEADS, "conversation.*assigned", 1),
        (INBOX, "conversation.status_changed", 1),
        (f"{LEADS}\n{DESK}", "conversation.assigned", 0),
        (LEADS, "conversation.*", 0),
        (LEADS, "conversation.disposition_changed", 0),
        (DESK, "conversation.disposition_changed", 1),
        (DESK.replace("}", ", fields: {disposition: x}}"), "conversation.disposition_changed", 0),
        (LEADS.replace("}", ", fields: {assignee: x}}"), "conversation.assigned", 0),
    ],
)
def test_an_event_that_no_source_has(tmp_path: Path, sources: str, when: str, count: int) -> None:
    assert len(warned(tmp_path, sources, when=when)) == count


@pytest.mark.parametrize(
    ("sources", "where", "count"),
    [
        (LEADS, "conversation.last_message.direction == 'inbound'", 1),
        (LEADS, "conversation.last_message.direction == 'internal'", 0),
        (LEADS, "conversation.assignee == null", 1),
        (LEADS, "conversation.waiting_since != null", 1),
        (LEADS, "conversation.last_message.automated == true", 1),
        (DESK, "conversation.waiting_since != null", 0),
        (f"{LEADS}\n{DESK}", "conversation.assignee == null", 0),
        (f"{INBOX}\n{DESK}", "conversation.status == 'opened'", 1),
        (f"{LEADS}\n{DESK}", "conversation.status == 'opened'", 1),
        (f"{LEADS}\n{DESK}", "conversation.status == 'needs_reply'", 0),
        (LEADS, "conversation.status == 'needs_answer'", 1),
        (INBOX, "conversation.priority == 'high'", 1),
        (INBOX, "conversation.assignee.name == 'Ana'", 1),
        (INBOX.replace("}", ", people: {u1: Ana}}"), "conversation.assignee.name == 'Ana'", 0),
        (DESK, "conversation.assignee.name == 'Ana'", 0),
        (DESK.replace("}", ", fields: {status: x}}"), "conversation.status == 'opened'", 0),
        (LEADS, "has(changes.assignee)", 1),
        (DESK, "conversation.attributes.custom_attributes.tier == 1", 0),
        (DESK.replace("}", ", fields: {attributes.x: x}}"), "conversation.attributes.x == 1", 0),
        (DESK, "has(changes.assignee) && conversation.unread_count > 3", 0),
    ],
)
def test_what_some_source_may_show_passes(
    tmp_path: Path, sources: str, where: str, count: int
) -> None:
    assert len(warned(tmp_path, sources, where=where)) == count


@pytest.mark.parametrize(
    ("where", "when", "count"),
    [
        ("source == 'leads'", "conversation.assigned", 1),
        ("'leadping' == provider", "conversation.assigned", 1),
        ("provider in ['leadping']", "conversation.waiting", 1),
        ("source == 'leads' && conversation.assignee == null", "conversation.*", 1),
        ("conversation.unread && (source in ['leads', 'desk'])", "conversation.assigned", 0),
        ("source == 'desk'", "conversation.assigned", 0),
        ("source == 'leads' || conversation.unread", "conversation.assigned", 0),
        ("!(source == 'leads')", "conversation.assigned", 0),
        ("source != 'leads'", "conversation.assigned", 0),
        ("source == 'leads' && source == 'desk'", "conversation.assigned", 0),
    ],
)
def test_a_rule_for_some_sources_is_judged_by_them(
    tmp_path: Path, where: str, when: str, count: int
) -> None:
    found = warned(tmp_path, f"{LEADS}\n{DESK}", when=when, where=f'"{where}"')
    assert len(found) == count, found


@pytest.mark.parametrize(
    ("sources", "count"),
    [
        (LEADS.replace("}", ", people: {u1: Ana}}"), 1),
        (LEADS.replace("}", ", people: {u1: Ana}, fields: {assignee: owner}}"), 0),
        (INBOX.replace("}", ", people: {u1: Ana}}"), 0),
    ],
)
def test_names_for_people_whom_no_row_shows(tmp_path: Path, sources: str, count: int) -> None:
    found = warned(tmp_path, sources)
    assert len(found) == count
    assert all("leadping shows nobody's id" in one for one in found), found


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (
            "{body: '{{ conversation.attributes.inboxid }}'}",
            "9:49: `body`: with chatwoot, conversation.attributes has no field 'inboxid'; it has",
        ),
        ("{title: '{{ conversation.attributes.sla }}'}", "`title`: with chatwoot, conversation."),
        (
            "{per_receiver: {crm: {body: '{{ changes.attributes.after.mutd }}'}}}",
            "(did you mean `changes.attributes.after.muted`?)",
        ),
        ("short", "4:45: `body`: with chatwoot, conversation.attributes has no field 'inboxid'"),
        ("{body: '{{ conversation.attributes.inbox_id }}'}", ""),
        ("{body: '{{ conversation.attributes.custom_attributes.tier }}'}", ""),
        ("{body: '{{ conversation.attributes[type] }}'}", ""),
    ],
)
def test_a_template_that_asks_for_an_attribute_that_nobody_shows(
    tmp_path: Path, message: str, expected: str
) -> None:
    file = tmp_path / "inbox.yaml"
    file.write_text(
        f"sources:\n  {DESK}\ntemplates:\n"
        "  short: {body: '{{ conversation.attributes.inboxid }}'}\n"
        "receivers: {crm: {type: webhook, url: 'http://127.0.0.1/'}}\nrules:\n"
        "  - name: A\n    when: conversation.unread\n"
        f"    message: {message}\n    notify: crm\n"
        "  - {name: T, when: source.failing, notify: crm}\n"
    )
    found = [str(one) for one in load([file], environ={}).warnings]
    said = [one for one in found if "no rule names the template" not in one]
    assert len(said) == bool(expected), said
    assert expected in "".join(said)


def test_a_digest_is_judged_event_by_event(tmp_path: Path) -> None:
    file = tmp_path / "inbox.yaml"
    file.write_text(
        f"sources:\n  {DESK}\n"
        "receivers: {crm: {type: webhook, url: 'http://127.0.0.1/'}}\nrules:\n"
        "  - name: A\n    when: conversation.unread\n    digest: 15m\n    message:\n"
        "      body: '{% for e in events %}{{ e.conversation.attributes.inboxid }}{% endfor %}'\n"
        "    notify: crm\n"
        "  - {name: T, when: source.failing, notify: crm}\ntimezone: UTC\n"
    )
    (one,) = load([file], environ={}).warnings
    assert "with chatwoot, e.conversation.attributes has no field 'inboxid'" in str(one)
