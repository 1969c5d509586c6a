"""A refusal that is not the provider's is not blamed on the token, and proves nothing."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from tests.providers.test_odd_values import NOW, PROVIDERS
from watcher.errors import SourceChanged, SourceError, SourceRefused
from watcher.model import Contact, Conversation
from watcher.providers import Check, LookUp, Members, Motion, Poll, Response, Sweep

HTML = b"<!doctype html><title>403 Forbidden</title><center>cloudflare</center>"
MOTIONS: tuple[Motion, ...] = (Sweep(), Poll(timedelta(0)), Check())
GONE = LookUp(Conversation("c-1", contact=Contact(id="l-1")), "absent")


def refuse(
    name: str, motion: Motion, status: int, body: bytes, headers: Mapping[str, str] | None = None
) -> SourceError:
    provider = PROVIDERS[name]
    with pytest.raises(SourceError) as caught:
        provider.parse(provider.start(motion), Response(status, body, headers or {}, NOW, NOW))
    return caught.value


@pytest.mark.parametrize("name", PROVIDERS)
@pytest.mark.parametrize("motion", MOTIONS)
@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("body", [HTML, b"Forbidden", b'"denied"', b"[]", b"{" * 100_000])
def test_a_proxys_refusal_is_not_called_a_bad_token(
    name: str, motion: Motion, status: int, body: bytes
) -> None:
    error = refuse(name, motion, status, body)
    assert isinstance(error, SourceRefused)
    assert "in front of the provider" in error.reason
    assert f"HTTP {status}" in error.reason
    assert "the token may be right" in error.remedy
    assert "cloudflare" not in error.reason


@pytest.mark.parametrize("name", ["highlevel", "leadway"])
def test_highlevel_never_refuses_without_a_word(name: str) -> None:
    assert "in front of the provider" in refuse(name, Sweep(), 403, b"").reason


@pytest.mark.parametrize("name", PROVIDERS)
@pytest.mark.parametrize("status", [401, 403])
def test_the_providers_own_refusal_names_the_token(name: str, status: int) -> None:
    error = refuse(name, Sweep(), status, b'{"message": "No", "error": "No"}')
    assert "token" in error.reason + error.remedy
    assert "may be right" not in error.remedy


@pytest.mark.parametrize("name", PROVIDERS)
@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 422])
def test_a_proxys_refusal_of_a_look_up_takes_no_conversation_away(name: str, status: int) -> None:
    provider = PROVIDERS[name]
    position: Any = provider.start(GONE)
    sound = {
        "leadping": b'{"items": []}',
        "highlevel": b'{"conversations": [], "total": 0}',
        "leadway": b'{"conversations": [], "total": 0}',
    }.get(name)
    verdicts = []
    try:
        # The lists lack the conversation; then the row, or the lead, is asked for by itself.
        while sound is not None and provider.request(position).path.endswith(("search", "l-1")):
            if provider.request(position).path.startswith("/leads/"):
                break
            page = provider.parse(position, Response(200, sound, {}, NOW, NOW))
            verdicts.append(page.verdict)
            position = page.next
        page = provider.parse(position, Response(status, HTML, {}, NOW, NOW))
        verdicts.append(page.verdict)
    except SourceError:
        pass
    assert not {"deleted", "access_lost"} & set(verdicts)


@pytest.mark.parametrize("name", PROVIDERS)
@pytest.mark.parametrize(
    ("location", "words"),
    [
        ("https://login.example.com/sign_in?next=secret", "redirect to login.example.com ("),
        ("https://user:secret@login.example.com:8443/", "redirect to login.example.com:8443 ("),
        ("/sign_in", "redirect ("),
        ("https://[::1", "redirect ("),
        ("https://a\x1b[2Jb.example/", "redirect ("),
        ("", "redirect ("),
    ],
)
def test_a_redirect_names_its_targets_host(name: str, location: str, words: str) -> None:
    error = refuse(name, Sweep(), 302, b"", {"location": location})
    assert isinstance(error, SourceChanged)
    assert words in error.reason
    assert "secret" not in str(error)


def test_id_sets_are_refused_alike() -> None:
    error = refuse("highlevel", Members("unread"), 403, HTML)
    assert "in front of the provider" in error.reason
