"""The pages of a real daemon: what everybody sees, where they lead, who gets JSON instead."""

from __future__ import annotations

import contextlib
import json
import re
import signal
from typing import Any

from tests.cli.harness import Harness
from tests.cli.test_cli_open import TOKEN, ask
from watcher.web import bind


def test_the_address_itself_is_a_page_that_tells_nothing_of_the_inboxes(
    harness: Harness, running: Any
) -> None:
    with contextlib.closing(bind("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    base, bearer = f"http://127.0.0.1:{port}", f"Bearer {TOKEN}"
    harness.write(server=f"{{listen: '127.0.0.1:{port}', token: {TOKEN}}}")
    with running("run") as daemon:
        daemon.wait_for("baseline done")
        status, headers, page = ask(f"{base}/")
        assert (status, headers["content-type"]) == (200, "text/html; charset=utf-8")
        assert "support" not in page
        assert "The source is watched." in page
        links = set(re.findall(r'href="(/[^"]*)"', page + ask(f"{base}/help")[2]))
        assert {"/healthz", "/readyz", "/metrics", "/openapi.json", "/enter"} <= links
        assert dict.fromkeys(links, 200) == {link: ask(base + link)[0] for link in links}
        source = ask(f"{base}/sources/support", authorization=bearer)[2]
        assert re.search("The last \\d+ looks", source)
        assert "Next sweep" in source
        log = ask(f"{base}/events", authorization=bearer, accept="application/json")[2]
        assert json.loads(log)["items"][0]["source"] == "inbox-watcher/support"
        daemon.stop(signal.SIGTERM)
