"""What people write at first, and what is said about it: pasted addresses, cron, `Mo-Fr`, constants."""

from __future__ import annotations

from pathlib import Path

import pytest

from watcher.config.load import load
from watcher.errors import ConfigError

DESK = "{provider: chatwoot, account_id: 3, token: not-a-real-token}"
RULE = "{name: A, when: conversation.unread, notify: crm}"


def said(tmp_path: Path, *, source: str = DESK, rule: str = RULE, more: str = "") -> list[str]:
    """Return all that is said of a configuration, mistakes or else warnings, without the file."""
    file = tmp_path / "inbox.yaml"
    file.write_text(
        f"sources: {{desk: {source}}}\n"
        "receivers: {crm: {type: webhook, url: 'http://127.0.0.1/'}}\n"
        f"rules: [{{name: T, when: source.failing, notify: crm}}, {rule}]\n{more}\n"
    )
    try:
        found = load([file], environ={}).warnings
    except ConfigError as error:
        found = error.problems
    return [str(one).removeprefix(f"{file}:") for one in found]


@pytest.mark.parametrize(
    ("source", "beginning"),
    [
        (
            "{provider: highlevel, location_id: ' locA', token: t}",
            '1:52: `location_id` does not have the right form, found `" locA"` (it has letters,'
            " digits, _ and - only, and no white space)",
        ),
        (
            "{provider: highlevel, location_id: 'https://x.example/v2/location/loc/home', token: t}",
            "1:52: `location_id` is an address, found `https://x.example/v2/location/loc/home` (write"
            " only the part after /location/)",
        ),
        (
            "{provider: leadway, location_id: x.example/v2/location/loc, token: t}",
            "1:50: `location_id` is an address",
        ),
        (
            "{provider: chatwoot, account_id: 'https://x.example/app/accounts/3', token: t}",
            "1:50: `account_id` is an address, found `https://x.example/app/accounts/3` (write only"
            " the part after /accounts/)",
        ),
    ],
)
def test_an_id_with_more_around_it(tmp_path: Path, source: str, beginning: str) -> None:
    (one,) = said(tmp_path, source=source)
    assert one.startswith(beginning), one


@pytest.mark.parametrize(
    ("keys", "said_of_it"),
    [
        ("hours: {days: Mo-Fr, between: 09:00-18:00}", "did you mean `mon-fri`?; write mon,"),
        ("hours: {days: 'Mo, Wednsday', between: 09:00-18:00}", "did you mean `mon, wed`?"),
        ("hours: {days: 'Mon to Fri', between: 09:00-18:00}", "did you mean `mon-fri`?"),
        ("hours: {days: weekdays, between: 09:00-18:00}", "did you mean `mon-fri`?"),
        ("digest: {at: '0 9 * * 1-5'}", 'cron is not read here; a digest takes `at: "09:00"`'),
        ("digest: '*/5 * * * *'", "cron is not read here; a digest takes"),
        ("digest: {every: '@daily'}", "cron is not read here; a digest takes"),
        ("hours: {between: '* 9-17 * * MON-FRI'}", "cron is not read here"),
    ],
)
def test_times_and_days_in_other_words(tmp_path: Path, keys: str, said_of_it: str) -> None:
    (one,) = said(tmp_path, rule=RULE.replace("}", f", {keys}}}"))
    assert said_of_it in one


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        ("conversation.unred", "conversation.unred` (did you mean `conversation.unread`?)"),
        ("unread", "unread` (did you mean `conversation.unread`?)"),
        ("foo.bar", "foo.bar` (write one such as conversation.unread, conversation.*,"),
    ],
)
def test_an_unknown_type_says_the_near_one_first(tmp_path: Path, when: str, expected: str) -> None:
    (one,) = said(tmp_path, rule=RULE.replace("conversation.unread", when))
    assert f"no event has the type `{expected}" in one
    assert len(one) < 200


@pytest.mark.parametrize(
    ("key", "condition", "effect"),
    [
        ("where", "false", "this is always false: the rule never matches"),
        ("where", "1 > 2", "this is always false: the rule never matches"),
        ("where", "conversation.unread && 'a' == 'b'", "this is always false: the rule never"),
        ("where", "conversation.unread || [true].exists(x, x)", "this is always true: it changes"),
        ("where", "!(conversation.unread && false)", "this is always true: it changes nothing"),
        ("unless", "true", "this is always true: the rule never matches"),
        ("unless", "false", "this is always false: it changes nothing"),
        ("where", "conversation.unread && true", ""),
        ("where", "conversation.unread_count > 1 + 1", ""),
    ],
)
def test_a_condition_that_is_constant(
    tmp_path: Path, key: str, condition: str, effect: str
) -> None:
    found = said(tmp_path, rule=RULE.replace("}", f', {key}: "{condition}"}}'))
    assert len(found) == bool(effect)
    assert effect in "".join(found)


@pytest.mark.parametrize(
    ("when", "condition", "expected"),
    [
        (
            "conversation.unread",
            "type == 'conversation.read'",
            "`when` does not ask for conversation.read, so `type` is never that (add it to `when`)",
        ),
        ("conversation.*", "type == 'conversation.read'", ""),
        (
            "source.failing",
            "conversation.unread",
            "conversation.unread is null: source.failing is about no conversation",
        ),
        ("[source.failing, conversation.unread]", "conversation.unread", ""),
        ("conversation.unread", "reason == 'x'", "reason is null in all events of this rule"),
        ("source.failing", "reason == 'x'", ""),
        (
            "conversation.removed",
            "reason == 'delted'",
            "reason is never 'delted'; it is one of deleted, access_lost, unknown (did you mean"
            ' `"deleted"`?)',
        ),
        ("conversation.*", "reason in ['gone']", "reason is never 'gone'; it is one of"),
        ("conversation.removed", "reason in ['deleted', 'unknown']", ""),
        ("'*'", "reason == 'gone'", ""),
        (
            "conversation.answered",
            "outcome == 'accepted'",
            "outcome is never 'accepted'; it is one of answered, closed",
        ),
        ("'*'", "outcome == 'lost'", "outcome is never 'lost' (did you mean"),
        (
            "conversation.unread",
            "outcome == 'closed'",
            "outcome is null in all events of this rule",
        ),
        ("conversation.answered", "outcome == 'closed'", ""),
    ],
)
def test_what_the_types_of_a_rule_never_have(
    tmp_path: Path, when: str, condition: str, expected: str
) -> None:
    rule = RULE.replace("conversation.unread", when).replace("}", f', where: "{condition}"}}')
    found = said(tmp_path, rule=rule)
    assert len(found) == bool(expected), found
    assert expected in "".join(found)


EVERYWHERE = "0.0.0.0"  # noqa: S104 - in a configuration that nothing listens by


@pytest.mark.parametrize(
    ("listen", "count"),
    [
        (EVERYWHERE, 1),
        ("10.1.2.3", 1),
        ("watch.example.com", 1),
        ("127.0.0.1", 0),
        ("localhost", 0),
    ],
)
def test_a_server_that_other_machines_reach(tmp_path: Path, listen: str, count: int) -> None:
    found = said(tmp_path, more=f"server: {{listen: '{listen}:8484', probes: '0.0.0.0:8485'}}")
    assert len(found) == count
    assert all("nothing asks them who they are" in one for one in found)


def test_ipv6_loopback_is_this_machine(tmp_path: Path) -> None:
    assert said(tmp_path, more="server: {listen: '[::1]:8484'}") == []
    assert len(said(tmp_path, more="server: {listen: '[::]:8484'}")) == 1


@pytest.mark.parametrize(
    ("match", "count"), [("false", 1), ("source == 'desk' && 1 > 2", 1), ("true", 0)]
)
def test_a_silence_that_never_matches(tmp_path: Path, match: str, count: int) -> None:
    silence = f"{{name: S, match: \"{match}\", reason: r, until: '2099-01-01', timezone: UTC}}"
    found = said(tmp_path, more=f"silences: [{silence}]")
    assert len(found) == count, found
    assert all("`match` is always false: this silence suppresses nothing" in one for one in found)
