"""A want of descriptors: foreseen, and a trouble that passes wherever it strikes."""

from __future__ import annotations

import asyncio
import errno
import os
import resource
import sqlite3
from collections.abc import AsyncIterator
from datetime import UTC, timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog
import trustme

from tests.config.small_providers import PROVIDERS
from tests.support.asking import ask, connection
from tests.support.loopback import serving
from tests.support.make import T0, commit, delivery, event, snapshot
from tests.support.no_descriptors import no_descriptors
from watcher import descriptors
from watcher.config.load import load
from watcher.daemon.open_files import foreseeable_shortage, planned_descriptors, quieten
from watcher.dispatcher import Dispatcher
from watcher.errors import SourceUnavailable, StoreError, StoreUnavailable
from watcher.model import Result
from watcher.notify import Notice
from watcher.notify.receivers import ReceiverPlan
from watcher.pipeline import Policy
from watcher.records import Commit, DeliveryQuery
from watcher.runtime import Runtime
from watcher.secrets import texts
from watcher.settings.link import Link
from watcher.store.retrying import Retrier
from watcher.store.sqlite import SqliteStore
from watcher.store.sqlite.schema import store_error
from watcher.transport import Transport

CONFIGURATION = """\
sources:
  a: {provider: plain, token: x, base_url: 'https://one.example/a'}
  b: {provider: plain, token: x, base_url: 'https://one.example/b'}
  c: {provider: plain, token: x, base_url: 'https://two.example', proxy: direct}
server: {listen: '127.0.0.1:1', probes: '127.0.0.1:2'}
receivers:
  crm: {type: webhook, url: 'https://crm.example', concurrency: 20}
  team: {type: apprise, url: 'json://x'}
rules: [{name: A, when: [conversation.unread, 'source.*'], notify: [crm, team]}]
"""


@pytest.fixture
def lines() -> Any:
    with structlog.testing.capture_logs() as captured:
        yield captured


# -- foreseen ------------------------------------------------------------------------------------


def test_what_a_configuration_may_open_is_added_up_and_warned_of(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(CONFIGURATION)
    config = load([file], environ={}, providers=PROVIDERS)
    planned = planned_descriptors(config)
    assert planned == {"sources": 3, "receivers": 30, "listeners": 192, "the process": 80}
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert hard > 305 or hard == resource.RLIM_INFINITY
    assert list(foreseeable_shortage(config)) == []


def test_the_warning_says_how_many_of_what_and_how_to_get_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(CONFIGURATION)
    config = load([file], environ={}, providers=PROVIDERS)
    monkeypatch.setattr(resource, "getrlimit", lambda _what: (100, 256))
    (said,) = map(str, foreseeable_shortage(config))
    assert said == (
        "the limit of open files: up to 305 may be needed (sources 3, receivers 30, listeners 192,"
        " the process 80), and this process may have 256; what finds none waits (raise its limit of open"
        " files: `LimitNOFILE` (systemd), `ulimits` (Compose), `ulimit -n`)"
    )


# -- it passes -----------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_a_source_is_tried_again(host: str) -> None:
    async with serving(b"") as served:
        to = connection(f"http://{host}:{served.port}")
        with no_descriptors(), pytest.raises(SourceUnavailable) as caught:
            await ask(to)
    assert f"no connection to {host}:{served.port}: this process has no descriptor left" in str(
        caught.value
    )


async def test_certificates_that_cannot_be_opened_are_no_wrong_ones(tmp_path: Path) -> None:
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    to = connection("https://127.0.0.1:9", link=Link(ca_file=tmp_path / "ca.pem"))
    with no_descriptors(), pytest.raises(SourceUnavailable, match="no descriptor left"):
        await ask(to)


async def test_what_could_not_be_posted_is_no_answer() -> None:
    async with serving(b"") as served, Transport(lambda: T0) as transport:
        post = transport.webhook()
        with no_descriptors(), pytest.raises(OSError, match="Too many open files"):
            await post(served.url, content=b"", headers={}, timeout=5.0)
        assert served.requests == []


def test_a_secret_that_was_read_before_stands(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("first")
    secret = texts._File("file:token", file)
    assert secret.read() == "first"
    file.write_text("the second")
    with no_descriptors():
        assert secret.read() == "first"
    assert secret.read() == "the second"


class Needy:
    """A notifier that finds no descriptor the first times."""

    text = True

    def __init__(self, error: BaseException, times: int) -> None:
        self.error = error
        self.times = times
        self.sent = 0

    async def send(self, notice: Notice) -> Result:
        self.times -= 1
        if self.times >= 0:
            raise self.error
        self.sent += 1
        return Result("ok", "accepted")

    async def close(self) -> None:
        """Close nothing."""


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    store = await SqliteStore.open(tmp_path / "db", retrier=Retrier())
    yield store
    await store.close()


FULL = OSError(errno.EMFILE, os.strerror(errno.EMFILE))


@pytest.mark.parametrize("error", [FULL, ExceptionGroup("several", [FULL])], ids=["one", "group"])
async def test_a_message_that_could_not_be_tried_counts_no_attempt_and_no_failure(
    store: SqliteStore, error: BaseException, monkeypatch: pytest.MonkeyPatch, lines: Any
) -> None:
    monkeypatch.setattr("watcher.dispatcher.TRY_AGAIN", timedelta(0))
    await store.commit(commit(delivery(event("e"), rule="r")))
    service = Needy(error, 5)
    runtime = Runtime(store=store, clock=lambda: T0, zone=lambda: UTC)
    policy = Policy((timedelta(seconds=5),))  # two attempts would be all
    dispatcher = Dispatcher(ReceiverPlan("team", service, policy, "there", 1), runtime)
    await dispatcher.drain()
    (found,) = await store.deliveries(DeliveryQuery(receiver="team"))
    assert (found.state, found.attempt, service.sent) == ("delivered", 1, 1)
    assert (dispatcher.state.failures, dispatcher.trouble) == (0, "")
    assert [one for one in lines if "exc_info" in one] == []


async def test_the_store_opens_nothing_while_it_works(store: SqliteStore) -> None:
    several = [snapshot(f"c{number}") for number in range(2000)]
    await store.commit(Commit("sales", snapshots=tuple(several)))
    with no_descriptors():
        # Far more pages are changed in one savepoint than SQLite keeps in memory by itself.
        later = [snapshot(f"c{number}", 2) for number in range(2000)]
        await store.commit(Commit("sales", snapshots=tuple(later)))
        assert len(await store.present_ids("sales")) == 2000
        await store.prune(T0, T0)


def test_a_file_that_finds_no_descriptor_is_waited_for(tmp_path: Path) -> None:
    def failure() -> StoreError:
        with pytest.raises(sqlite3.OperationalError) as caught:
            sqlite3.connect(tmp_path / "nowhere" / "db")
        return store_error(tmp_path, caught.value)

    assert not isinstance(failure(), StoreUnavailable)
    with no_descriptors():
        waited = failure()
    assert isinstance(waited, StoreUnavailable)
    assert waited.remedy == descriptors.ADVICE


async def test_asyncio_complains_once_and_without_a_traceback(
    lines: Any, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("watcher.logs._last", {})
    loop = asyncio.get_running_loop()
    message = "socket.accept() out of system resource"
    for _ in range(1000):
        quieten(loop, {"message": message, "exception": FULL})
    (line,) = lines
    assert line["event"] == "no connection can be taken: this process has no descriptor left"
    quieten(loop, {"message": "another", "exception": ValueError("a bug")})
    assert len(lines) == 1
    assert "Traceback" not in str(lines)
