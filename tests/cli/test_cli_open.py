"""`open`: the address that it prints signs in, once, also after a restart; secrets stay where they are."""

from __future__ import annotations

import contextlib
import re
import signal
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

import pytest

from tests.cli.harness import Harness
from tests.pages.browser import CHROMIUM, browsing
from watcher.web import bind

TOKEN = "openssl-made-this-one-30-bytes"
WRONG = "somebody-guesses-another-one-x"


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args: Any, **more: Any) -> None:
        return None


def ask(address: str, fields: dict[str, str] | None = None, **headers: str) -> tuple[int, Any, str]:
    """Return the status, the headers and the text of what a page answers."""
    data = None if fields is None else urllib.parse.urlencode(fields).encode()
    request = urllib.request.Request(address, data, headers)  # noqa: S310 - our own
    try:
        with urllib.request.build_opener(_Stay).open(request, timeout=20) as answer:
            return answer.status, answer.headers, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read().decode()


def test_open_signs_in_once_and_a_restart_keeps_the_session(harness: Harness, running: Any) -> None:
    with contextlib.closing(bind("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    base = f"http://127.0.0.1:{port}"
    harness.write(server=f"{{listen: '127.0.0.1:{port}', token: {TOKEN}}}")
    with running("run") as daemon:
        daemon.wait_for("baseline done")
        address = harness.run("open").stdout.strip()
        assert re.fullmatch(rf"{base}/enter#[\w-]{{43}}", address)
        key = address.partition("#")[2]
        status, headers, _ = ask(f"{base}/enter", {"key": key})
        assert (status, headers["location"]) == (303, "/")
        cookie = headers["set-cookie"].partition(";")[0]
        assert "support" in ask(f"{base}/sources", cookie=cookie)[2]
        assert "support" not in ask(f"{base}/sources")[2]
        assert ask(f"{base}/enter", {"key": key})[0] == 401
        api = f"{base}/api/v1/status"
        assert ask(api, authorization=f"Bearer {TOKEN}")[0] == 200
        assert ask(api, cookie=cookie)[0] == 200
        assert ask(api, authorization=f"Bearer {WRONG}")[0] == 401
        assert (
            ask(f"{base}/leave", {"back": "/"}, cookie=cookie, origin="http://evil.example")[0]
            == 403
        )
        assert ask(api, host="evil.example")[0] == 400
        daemon.stop(signal.SIGTERM)
        log = "".join(daemon.err)
    with running("run") as daemon:
        daemon.wait_for("watching")
        assert ask(api, cookie=cookie)[0] == 200
        daemon.stop(signal.SIGTERM)
        log += "".join(daemon.err)
    secrets = (TOKEN, WRONG, key, cookie.partition("=")[2])
    assert not [one for one in secrets if one in log]
    assert not [one for one in secrets if one.encode() in harness.store.read_bytes()]


@pytest.mark.skipif(CHROMIUM is None, reason="Debian's Chromium is not installed")
def test_the_address_signs_a_browser_in_and_leaves_no_key_behind(
    harness: Harness, running: Any
) -> None:
    with contextlib.closing(bind("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    harness.write(server=f"{{listen: '127.0.0.1:{port}'}}")
    with contextlib.ExitStack() as stack:
        daemon = stack.enter_context(running("run"))
        daemon.wait_for("baseline done")
        first, second = (harness.run("open").stdout.strip() for _ in range(2))
        browser = stack.enter_context(browsing())
        page, lines = browser.new_page(), list[str]()
        page.on("console", lambda line: lines.append(line.text))
        page.goto(first)
        page.get_by_role("link", name="sign out").wait_for()
        assert page.url == f"http://127.0.0.1:{port}/"
        page.get_by_role("link", name="sign out").click()
        page.get_by_role("button", name="Sign out").click()
        page.get_by_role("link", name="Sign in").first.wait_for()
        # Without the script, the key is put into the form by hand.
        plain = browser.new_context(java_script_enabled=False).new_page()
        address, _, key = second.partition("#")
        plain.goto(f"{address}?back=/sources#{key}")
        plain.get_by_label("Key or token").fill(key)
        plain.get_by_role("main").get_by_role("button", name="Sign in").click()
        plain.get_by_role("link", name="support").first.wait_for()
        assert plain.url == f"http://127.0.0.1:{port}/sources"
        assert lines == []
        daemon.stop(signal.SIGTERM)


def test_without_a_daemon_or_without_pages_nothing_is_opened(
    harness: Harness, running: Any
) -> None:
    result = harness.run("open")
    assert result.exit_code == 1
    assert "no daemon is running" in result.stderr
    harness.write(server="false")
    with running("run") as daemon:
        daemon.wait_for("watching")
        result = harness.run("open")
        assert result.exit_code == 1
        assert "the server is turned off" in result.stderr
        daemon.stop(signal.SIGTERM)
