"""The table of what is bounded has the product's own figures, for each row that has one."""

from __future__ import annotations

import inspect
from datetime import timedelta
from typing import Any

import pytest

import watcher.conditions.budget as of_conditions
import watcher.conditions.compile as of_expressions
import watcher.dispatcher as dispatcher
import watcher.providers.leadconnector as highlevel
import watcher.providers.leadping as leadping
import watcher.templates.compiled as of_texts
import watcher.templates.meter as of_templates
import watcher.web as web
import watcher.web.links as pages
from tests.docs.pages import read, rows
from watcher import archive, control, descriptors, feed, logs, page_gate, signing
from watcher.api import application, entrance, stream
from watcher.catalogue import bounds
from watcher.cli import status
from watcher.config import yaml
from watcher.config.model import Retention, Server, Source
from watcher.config.sources_from import csv
from watcher.daemon import GRACE, MEASURE_EVERY, entry_keys, reload
from watcher.daemon.front import READ_STEPS
from watcher.daemon.slices import SLICE
from watcher.dispatcher.claims import AHEAD, TEXTS_AT_MOST, TOGETHER_AT_MOST
from watcher.notify import _apprise_bounds, apprise, webhook
from watcher.notify.apprise import AppriseReceiver
from watcher.notify.webhook import WebhookReceiver
from watcher.pipeline.disk import GIB, Reserve
from watcher.pipeline.health import LONGEST_WISH
from watcher.pipeline.sanitize import DEEPEST, LONGEST_ID
from watcher.pipeline.settle import LATEST_RETRY_AFTER
from watcher.pipeline.sweep import LOOK_BEHIND, LOOK_UPS
from watcher.poller import network, request_plan, session, walks
from watcher.providers import answers
from watcher.secrets import files, texts
from watcher.settings.link import CONNECTIONS
from watcher.store import sqlite
from watcher.store.sqlite import budget as of_statements
from watcher.store.sqlite import schema
from watcher.templates.rendering import LONGEST_TITLE
from watcher.transport import RESOLVERS, clients, sources, webhooks
from watcher.web import connections

KIB, MIB = 2**10, 2**20


def default(model: Any, field: str) -> Any:
    return model.model_fields[field].default


def seconds(duration: timedelta) -> str:
    return f"{duration.total_seconds():g} s"


def kib(size: int) -> str:
    assert size % KIB == 0
    return f"{size // KIB} KiB" if size < MIB else f"{size // MIB} MiB"


def number(value: float) -> str:
    return f"{value:,.15g}"


FIGURES: dict[str, tuple[str, ...]] = {
    "time for which a command waits for the daemon": (
        f"{control.ANSWERED_WITHIN:g} s", f"{control.SENT_WITHIN['reload']:g} s",
        f"{control.SENT_WITHIN['send_test']:,.0f} s",
    ),
    "sources looked at in one turn of the loop; built or ended in one by a reload": (
        number(SLICE), number(reload.PLANNED),
    ),
    "conversations of a source, and what is known of them": (
        number(default(Source, "most_conversations")), kib(default(Source, "most_bytes")),
    ),
    "what sources write": (f"{Reserve().share:.0%}".replace("%", " %"), kib(GIB)),
    "a provider's answer, unpacked": (
        kib(default(Source, "largest_answer")), number(answers.MOST_VALUES), number(answers.MOST_ROWS),
    ),
    "an answer that is no success": (kib(sources.LARGEST_ERROR),),
    "time for a request and its answer": (
        seconds(default(Source, "timeout")), f"{clients.CONNECT_TIMEOUT:g} s",
        f"{clients.READ_TIMEOUT:g} s",
    ),
    "`Retry-After` of a provider": ({3_600.0: "an hour"}[LONGEST_WISH],),
    "pages of a poll, and of a sweep": (
        number(walks.POLL_PAGES), number(walks.SWEEP_PAGES), f"polls {highlevel.MOST_POLL_PAGES}",
        f"polls {leadping.POLL_PAGES}",
    ),
    "connections to one host of sources": (f"{CONNECTIONS}, which",),
    "answers that all sources hold until they are committed": (
        kib(page_gate.MOST_HELD), seconds(timedelta(seconds=page_gate.PATIENCE)),
    ),
    "look-ups after a sweep that lacks rows": (
        f"{walks.SAMPLE} first", f"hole {LOOK_BEHIND}", f"else {LOOK_UPS}",
    ),
    "a name, an address, a label": (number(bounds.LONGEST_WORD),),
    "a message, and all text in one attribute": (number(bounds.LONGEST_TEXT),),
    "labels, and the values within one attribute": (
        number(bounds.MOST_LABELS), number(bounds.MOST_PARTS), f"nested {DEEPEST} deep",
    ),
    "an ID": (number(LONGEST_ID),),
    "an evaluation of a condition": (number(of_conditions.STEPS),),
    "a rendering of a template": (number(of_templates.STEPS),),
    "a condition, a template, as it is written": (
        number(of_expressions.LONGEST), number(of_texts.LONGEST_SOURCE),
    ),
    "a text that a template makes": (
        number(LONGEST_TITLE), number(of_texts.LONGEST_BODY),
    ),
    "a body to a webhook": (kib(webhook.LARGEST),),
    "requests under way to a webhook": (number(default(WebhookReceiver, "concurrency")),),
    "deliveries claimed ahead of a receiver's free slots": ({4: "four"}[AHEAD],),
    "taken deliveries of a backlog that are not recorded yet": ({4: "four"}[AHEAD],),
    "time for an attempt": (
        seconds(default(WebhookReceiver, "timeout")), f"{apprise.DEADLINE:g} s",
    ),
    "a webhook's answer": (kib(webhooks.LARGEST_ANSWER), f"{webhook.EXCERPT_LENGTH} characters"),
    "`Retry-After` of a receiver": (
        f"{min(LATEST_RETRY_AFTER.total_seconds(), webhook.LONGEST_WISH) / 3600:g} hours",
    ),
    "a text to an Apprise service": (number(default(AppriseReceiver, "longest")),),
    "messages to an Apprise receiver": (
        {(30, timedelta(minutes=1)): "30 in a minute"}[default(AppriseReceiver, "limit")],
    ),
    "a digest of what exceeds a `limit`": (f"{TOGETHER_AT_MOST} events", f"{TEXTS_AT_MOST} in a text"),
    "worker processes of an Apprise receiver": (
        f"{apprise.WORKERS}, of", kib(_apprise_bounds.MEMORY),
    ),
    "an Apprise service's answer": (
        kib(_apprise_bounds.LARGEST_ANSWER), f"{apprise.EXCERPT_LENGTH} characters",
    ),
    "attempts of a delivery": tuple(
        f"{len(default(one, 'retry')) + 1} to" for one in (WebhookReceiver, AppriseReceiver)
    ),
    "attempts in which the process dies": (number(dispatcher.CUT_TOO_OFTEN),),
    "a statement that writes to the store": (number(of_statements.MOST_STEPS),),
    "removing old records, giving up what is no longer configured, `deliveries retry`": (
        f"{sqlite.BATCH} rows",
    ),
    "the log of writes beside the store (`-wal`)": (f"{schema.LARGEST_WAL // MIB} MB",),
    "free space within the store's file": (f"about {sqlite.SPARE * 4_096 // 10**6} MB",),
    "events, settled deliveries and their history": tuple(
        f"{default(Retention, field).days} days" for field in ("events", "deliveries")
    ),
    "a link in a message, what its page is sent": (
        f"{signing.LONGEST:,} characters",
        f"{pages.LONGEST_FORM // 1024} KiB of",
        f"{pages.LONGEST_NAME} characters of a name",
    ),
    "connections to `listen`, to `probes` and to the control socket": (
        f"{connections.MOST} each", f"{connections.FEW} while", f"{connections.HEADER_WITHIN:g} s",
        f"{connections.BODY_WITHIN:g} s", f"{connections.TAKEN_WITHIN:g} s",
    ),
    "a question to the API": (
        f"{READ_STEPS:,} steps", f"{archive.MOST} items", f"{archive.MOST_COUNTS:,} counts",
        kib(application.LARGEST_BODY),
    ),
    "wrong tokens; keys of `open`": (
        f"{entrance.FAILURES} a minute", f"{entrance.MOST_ADDRESSES:,} addresses", f"{entry_keys.MOST} keys",
    ),
    "who follows the log by the API": (f"{feed.MOST_FOLLOWERS} at once", f"{stream.TAKEN_WITHIN:g} s"),
    "descriptors kept for the store and our own requests": (number(descriptors.SPARE),),
    "what a command has in memory of the store": (f"{sqlite.PAGE} events",),
    "sources that `status`, `/readyz`, `/metrics` and a line of text name": (
        f"{status.SHOWN}, {web.NAMED}, {default(Server, 'metrics_sources')} and {request_plan.NAMED}:",
    ),
    "lines of the log about what many sources have alike": (
        {10: "ten"}[logs.TOLD], f"{MEASURE_EVERY:g} seconds",
    ),
    "different warnings about rows that a source logs": (
        number(session.WARNINGS), f"{session.WARNED} times",
    ),
    "sources that try at once because one does not connect": ({4: "four"}[network.ASKED],),
    "names that are resolved at once": (number(RESOLVERS),),
    "the end of the daemon": (f"{GRACE:g} s",),
    "a configuration file, and what its aliases expand to": (kib(yaml.LIMIT),),
    "a CSV file of `sources_from`": (kib(csv.LIMIT),),
    "a secret's file": (kib(files.LARGEST), f"{texts.FIRST:g} s", f"{texts.AGAIN:g} s"),
}  # fmt: skip


def told() -> dict[str, tuple[str, str]]:
    """Return the table: what is bounded, by what, and how it is changed."""
    page = read("operations.md").partition("### What is bounded")[2].partition("\n### ")[0]
    return {row[0].strip(): (row[1].strip(), row[2].strip()) for row in rows(page)}


@pytest.mark.parametrize("what", FIGURES)
def test_the_table_has_the_figures_of_the_product(what: str) -> None:
    bound, change = told()[what]
    assert [figure for figure in FIGURES[what] if figure not in bound] == []
    assert change


def test_each_setting_that_changes_a_bound_exists() -> None:
    fields = {*Source.model_fields, *WebhookReceiver.model_fields, *AppriseReceiver.model_fields}
    for bound, change in told().values():
        for name in ("largest_answer", "largest", "longest", "limit", "timeout", "retry"):
            if change.startswith(f"`{name}` of the"):
                assert name in fields, bound


def test_the_guarantees_lead_to_the_table() -> None:
    assert "(operations.md#what-is-bounded)" in read("guarantees.md")


def test_the_defaults_of_the_settings_are_those_that_are_enforced() -> None:
    """The constant and the default of a setting are two figures, which must not part."""
    assert default(Source, "largest_answer") == sources.LARGEST_PAGE
    assert default(Source, "timeout").total_seconds() == sources.DEADLINE
    assert default(WebhookReceiver, "largest") == webhook.LARGEST
    assert default(AppriseReceiver, "longest") == apprise.LONGEST
    signature = inspect.signature(apprise.AppriseNotifier.__init__)
    assert signature.parameters["deadline"].default == apprise.DEADLINE
