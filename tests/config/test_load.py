"""Loading: what comes out, with secrets and without, and what is only a warning."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.config.harness import ENVIRON, SOURCE, Write, read, refused, warned
from tests.config.small_providers import Desk, DeskSettings
from watcher.config.compare import compare
from watcher.config.load import inspect_files
from watcher.notify.apprise import AppriseReceiver
from watcher.notify.webhook import WebhookReceiver
from watcher.settings.values import Address


def test_the_least_configuration_has_the_defaults_of_the_contract(write: Write) -> None:
    config = read(write(SOURCE))
    assert config.store.path == config.files[0].parent / "inbox-watcher.db"
    assert config.server is not None
    assert (config.server.listen, config.server.probes) == (Address("127.0.0.1", 8484), None)
    assert config.retention.events == config.retention.deliveries == timedelta(days=30)
    (source,) = config.sources
    assert (source.poll_every, source.sweep_every) == (
        timedelta(seconds=30),
        timedelta(minutes=15),
    )
    assert (source.hold.rows, source.hold.percent, source.mapping) == (20, 10, None)
    assert source.token.read() == ENVIRON["TOKEN"]
    assert source.settings.token == ENVIRON["TOKEN"]
    assert config.receivers == config.rules == ()


FULL = """
store: /tmp/watcher.db
server: {listen: "[::1]:80", probes: 0.0.0.0:8485}
retention: {events: 7d, deliveries: 1h30m}
sources:
  support:
    provider: desk
    base_url: https://${HOST:-chat.example.com}/
    account_id: ${ACCOUNT}
    token: ${TOKEN}
    poll_every: 5s
    sweep_every: ${SWEEP:-1h}
    hold: {rows: 5, percent: 50}
    fields: {disposition: custom_attributes.outcome}
receivers:
  crm:
    type: webhook
    url: https://crm.example.com/${PATH_PART:-hooks}
    secret: ${SECRET}
    headers: {X-Team: sales, X-Key: "${TOKEN}"}
    timeout: 500ms
    retry: [1s, 1m]
    limit: 5/1m
    ordering: relaxed
  team: {type: apprise, url: "json://localhost"}
  boss: {type: apprise, urls: ["json://localhost", "mailto://a"], limit: 5/1h, retry: []}
rules:
  - name: Unread reaches the team
    when: conversation.unread
    where: conversation.channel == "${not a reference}"
    notify: [team, crm, team]
    message: {title: "{{ conversation.contact.name }} ${TOKEN}"}
  - {name: Later, when: [conversation.unread, conversation.archived], for: 15m, notify: boss}
"""


def people(given: str) -> str:
    return f"sources:\n  sales:\n    provider: plain\n    token: x\n    people: {given}\n"


def test_people_are_names_by_id_whatever_yaml_makes_of_the_id(write: Write) -> None:
    (source,) = read(
        write(people("{SEnuRk4q: Ana, 17: Ben, 0x1F: Bo, '007': Zoë, true: Tru}"))
    ).sources
    assert source.people == {
        "SEnuRk4q": "Ana", "17": "Ben", "0x1F": "Bo", "007": "Zoë", "true": "Tru",
    }  # fmt: skip
    assert read(write(SOURCE)).sources[0].people == {}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            "[Ana]",
            "5:13: `people` must be a mapping, found a list (write `key: value` lines, indented)",
        ),
        ("{u1: 7}", "5:18: `people.u1` must be text, found `7`"),
        ("{u1: {name: Ana}}", "5:18: `people.u1` must be text, found a mapping"),
        ("{u1: null}", "5:18: `people.u1` must be text"),
        ("{u1: '  '}", "5:18: `people.u1` is not a name of one line without spaces around it"),
        ("{u1: Ana, u1: Ben}", "5:23: duplicate key `u1`"),
    ],
)
def test_people_that_are_none_are_refused_in_their_place(
    write: Write, given: str, said: str
) -> None:
    (problem,) = refused(write(people(given)))
    assert said in problem


def test_a_short_form_that_there_is_not_is_told_which_keys_there_are(write: Write) -> None:
    rule = "rules:\n  - {name: A, when: conversation.unread, hours: 9-18, notify: x}\n"
    told = next(one for one in refused(write(SOURCE + rule)) if "`hours`" in one)
    assert "must be a mapping, found `9-18`" in told
    assert "its keys: days, between, windows, timezone, otherwise" in told


def test_another_name_is_another_source_for_a_reload(write: Write) -> None:
    old = read(write(people("{u1: Ana}"))).sources
    assert compare(old, read(write(people("{u1: Ana}"))).sources).changed == ()
    assert compare(old, read(write(people("{u1: Eve}"))).sources).changed == ("sales",)


def test_a_relative_store_starts_at_the_folder_of_the_file_that_names_it(write: Write) -> None:
    first, second = write(SOURCE, name="a.yaml"), write("store: state/w.db\n", name="b/b.yaml")
    assert read(first, second).store.path == second.parent / "state" / "w.db"
    assert read(first).store.path == first.parent / "inbox-watcher.db"
    assert read(second.parent, first).store.path == second.parent / "state" / "w.db"
    alone = write(SOURCE, name="folder/a.yaml").parent
    assert read(alone).store.path == alone / "inbox-watcher.db"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("store: w.db\nsources: [oh, dear\n", "w.db"),
        ("sources: {a: [}\nstore:  'my w.db' # here\n", "my w.db"),
        ("store: w.db\ntimezone: Nowhere/None\n", "w.db"),
        ("store: w.db\nsources: {sales: 7}\nrules: nothing\n", "w.db"),
        ("sources: [oh, dear\n", "inbox-watcher.db"),
        ("sources: {sales: {provider: plain, store: w.db}}\n", "inbox-watcher.db"),
    ],
)
def test_the_store_is_found_whatever_else_is_wrong(write: Write, text: str, found: str) -> None:
    file = write(text)
    inspection = inspect_files([file], environ={}, secrets=False)
    assert inspection.problems
    assert inspection.unresolved == ()
    assert inspection.config.store.path == file.parent / found
    assert not inspection.config.sound


def test_every_setting_arrives(write: Write) -> None:
    config = read(write(FULL), environ={**ENVIRON, "ACCOUNT": "3"})
    assert str(config.store) == "/tmp/watcher.db"  # noqa: S108 - only a text
    assert config.server is not None
    assert config.server.listen == Address("::1", 80)
    assert config.server.probes == Address("0.0.0.0", 8485)  # noqa: S104 - only a text
    assert config.retention.deliveries == timedelta(minutes=90)
    (source,) = config.sources
    assert (source.name, source.provider, source.provider_class) == ("support", "desk", Desk)
    assert isinstance(source.settings, DeskSettings)
    assert source.settings.account_id == 3
    assert source.settings.base_url == "https://chat.example.com"
    assert source.sweep_every == timedelta(hours=1)
    assert (source.hold.rows, source.hold.percent) == (5, 50)
    assert source.mapping is not None
    crm, team, boss = config.receivers
    assert isinstance(crm, WebhookReceiver)
    assert crm.url.read() == "https://crm.example.com/hooks"
    assert [secret.read() for secret in crm.signing] == [ENVIRON["SECRET"]]
    assert {name: text.read() for name, text in crm.headers.items()} == {
        "X-Team": "sales",
        "X-Key": ENVIRON["TOKEN"],
    }
    assert (crm.timeout, crm.ordering) == (timedelta(seconds=0.5), "relaxed")
    assert crm.limit == (5, timedelta(minutes=1))
    assert crm.retry == (timedelta(seconds=1), timedelta(minutes=1))
    assert isinstance(team, AppriseReceiver)
    assert [url.read() for url in team.addresses] == ["json://localhost"]
    assert team.limit == (30, timedelta(minutes=1))
    assert len(team.retry) == 5
    assert isinstance(boss, AppriseReceiver)
    assert (len(boss.addresses), boss.limit, boss.retry) == (2, (5, timedelta(hours=1)), ())
    first, second = config.rules
    assert first.notify == ("team", "crm")
    assert first.where is not None
    assert first.where.source == 'conversation.channel == "${not a reference}"'
    assert first.message.words[:2] == ("{{ conversation.contact.name }} ${TOKEN}", None)
    assert (second.when, second.hold_for) == (
        ("conversation.unread", "conversation.archived"),
        timedelta(minutes=15),
    )


def test_a_webhook_is_retried_by_the_contracts_schedule(write: Write) -> None:
    text = SOURCE + "receivers: {crm: {type: webhook, url: 'https://crm.example.com'}}"
    (crm,) = read(write(text)).receivers
    hours = [2, 5, 10, 14, 20, 24]
    assert crm.retry == (
        timedelta(seconds=5),
        timedelta(minutes=5),
        timedelta(minutes=30),
        *(timedelta(hours=hour) for hour in hours),
    )
    assert isinstance(crm, WebhookReceiver)
    assert (crm.signing, crm.ordering, crm.headers) == ((), "strict", {})
    assert crm.limit is None
    assert crm.timeout == crm.connect_timeout == timedelta(seconds=10)
    assert (crm.link.connections, crm.link.verify) == (8, True)
    assert crm.link.proxy() == ""


def test_several_secrets_sign_while_one_replaces_another(write: Write) -> None:
    text = SOURCE + (
        "receivers:\n  crm:\n    type: webhook\n    url: https://crm.example.com\n"
        "    secrets: ['${SECRET}', whsec_bm90IGEgcmVhbCBzZWNyZXQgYXQgYWxsLCBub25l]\n    concurrency: 2\n"
    )
    (crm,) = read(write(text)).receivers
    assert isinstance(crm, WebhookReceiver)
    assert [one.read() for one in crm.signing] == [
        ENVIRON["SECRET"],
        "whsec_bm90IGEgcmVhbCBzZWNyZXQgYXQgYWxsLCBub25l",
    ]
    assert crm.link.connections == 2


def test_false_turns_the_server_off(write: Write) -> None:
    assert read(write("server: false\n" + SOURCE)).server is None


def test_a_slow_poll_takes_the_default_sweep_with_it(write: Write) -> None:
    text = "sources: {sales: {provider: plain, token: x, poll_every: 1h}}"
    assert read(write(text)).sources[0].sweep_every == timedelta(hours=1)


def test_sections_whose_content_is_commented_out_are_empty(write: Write) -> None:
    config = read(write(SOURCE + "receivers:\n  # crm:\nrules:\nretention:\nserver:\n"))
    assert config.server is not None
    assert config.receivers == config.rules == ()


def test_no_repr_shows_a_secret(write: Write) -> None:
    config = read(write(FULL), environ={**ENVIRON, "ACCOUNT": "3"})
    assert ENVIRON["TOKEN"] not in repr(config)
    assert ENVIRON["SECRET"] not in repr(config)


def test_the_redactor_knows_every_secret(write: Write) -> None:
    config = read(
        write(FULL + "\n".replace("x", "")),
        environ={**ENVIRON, "ACCOUNT": "3", "HOST": "h.internal"},
    )
    for secret in (*ENVIRON.values(), "h.internal"):
        assert config.redactor.scrub(f"<{secret}>") == "<***>"


def test_secrets_that_are_written_out_are_known_too(write: Write) -> None:
    config = read(
        write(
            "sources: {a: {provider: plain, token: in-the-file}}\n"
            "receivers:\n"
            "  b: {type: webhook, url: 'https://me:pass-word@b.example.com',\n"
            "    secret: whsec_bm90IGEgcmVhbCBzZWNyZXQgYXQgYWxsLCBub25l,\n"
            "      headers: {Authorization: Basic-abc}}\n"
            "  c: {type: apprise, urls: ['slack://T1/B2/C3']}\n"
        )
    )
    for secret in (
        "in-the-file",
        "pass-word",
        "whsec_bm90IGEgcmVhbCBzZWNyZXQgYXQgYWxsLCBub25l",
        "Basic-abc",
        "slack://T1/B2/C3",
    ):
        assert config.redactor.scrub(f"<{secret}>") == "<***>"


# Without secrets


def test_without_secrets_nothing_is_looked_up_and_the_rest_is_checked(write: Write) -> None:
    text = FULL.replace("${SECRET}", "${file:none}")
    config = read(write(text), environ={}, secrets=False)
    assert len(config.sources) == 1
    assert len(config.receivers) == 3
    assert config.sources[0].sweep_every > timedelta(0)


def test_without_secrets_other_mistakes_are_found(write: Write) -> None:
    text = (
        "sources: {a: {provider: desk, token: '${A}', base_url: '${B}', account_id: '${C}', x: 1}}"
    )
    (said,) = refused(write(text), environ={}, secrets=False)
    assert "unknown key `x`" in said


def test_what_no_placeholder_fits_does_not_stand_in_the_way(write: Write) -> None:
    text = (
        "sources: {a: {provider: desk, token: x, base_url: 'https://x', account_id: 1,"
        " hidden: '${A}', login: {user: x, pin: '${P}'}}}"
    )
    (source,) = read(write(text), environ={}, secrets=False).sources
    assert source.token.read() == "x"


# Warnings


def test_an_unused_receiver_is_a_warning(write: Write) -> None:
    text = (
        SOURCE + "receivers:\n  a: {type: apprise, url: 'json://x'}\n"
        "  b: {type: apprise, url: 'json://x'}\n"
        "rules: [{name: A, when: [conversation.unread, source.failing], notify: a}]\n"
    )
    (said,) = warned(write(text))
    assert ":5:3: no rule notifies the receiver `b`" in said


def test_a_configuration_without_rules_is_a_warning(write: Write) -> None:
    (said,) = warned(write(SOURCE))
    assert "no rule is configured" in said
