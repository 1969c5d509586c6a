"""A request is written as httpx writes it."""

from __future__ import annotations

import json
from typing import Any

import httpx  # noqa: TID251 - compared with httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from watcher.transport.direct import written
from watcher.transport.requests import OutgoingRequest, RequestTemplate

ADDRESSES = [
    "http://chat.example",
    "https://chat.example/",
    "https://chat.example:8443/chatwoot",
    "https://user:p%40ss@chat.example/a%20b/",
    "http://[::1]:3000/x",
]
PATHS = st.one_of(
    st.from_regex(r"\A(/[A-Za-z0-9._~%:@!$&'()*+,;=-]{1,8}){1,4}\Z"),
    st.sampled_from(["/", "/a/../b", "/a/./b", "/a//b", "/a/", "/.well-known/x", "/ü", "/a b"]),
)
PARAMS = st.lists(st.tuples(st.text(min_size=1, max_size=6), st.text(max_size=12)), max_size=4)


def theirs(
    address: str, method: str, path: str, params: list[tuple[str, str]], plain: Any
) -> httpx.Request:
    """Return the request that httpx makes of the same."""
    request = httpx.Request(
        method, address.rstrip("/") + path, params=params or None, json=plain
    )  # what httpx adds of its own accord, but for the names of clients
    if request.url.userinfo:
        auth = httpx.BasicAuth(request.url.username, request.url.password)
        request = next(auth.sync_auth_flow(request))
    return request


def named(request: OutgoingRequest) -> dict[str, str]:
    return {name.lower(): value for name, value in request.named().items()}


@example(ADDRESSES[0], "GET", "/list", [("a", "1"), ("b", ""), ("a", "2")], None)
@given(
    st.sampled_from(ADDRESSES),
    st.sampled_from(["GET", "POST"]),
    PATHS,
    PARAMS,
    st.one_of(st.none(), st.dictionaries(st.text(max_size=5), st.text(max_size=5), min_size=1)),
)
def test_a_request_is_the_one_that_httpx_makes(
    address: str, method: str, path: str, params: list[tuple[str, str]], plain: Any
) -> None:
    mine = RequestTemplate(address).ask(method, path, params, {}, plain)
    other = theirs(address, method, path, params, plain)
    assert (mine.method, mine.target, mine.content) == (method, other.url.raw_path, other.content)
    for name in ("host", "authorization", "content-length", "content-type"):
        assert named(mine).get(name) == other.headers.get(name)
    again = mine.for_httpx({})
    assert (again.url.raw_path, again.content) == (other.url.raw_path, other.content)
    assert again.headers["host"] == other.headers["host"]


@given(st.text(max_size=20))
def test_what_no_header_may_hold_is_refused(value: str) -> None:
    template = RequestTemplate(ADDRESSES[0])
    try:
        request = template.ask("GET", "/list", (), {"x-token": value})
        sent = written(request.method, request.target, request.headers.items())
    except (UnicodeError, httpx.LocalProtocolError):
        return
    assert sent.count(b"\r\n") == len(request.headers) + 2
    assert f"x-token: {value}\r\n".encode() in sent


def test_a_header_of_the_request_stands_once_and_the_address_has_the_last_word() -> None:
    template = RequestTemplate("https://user:word@chat.example")
    headers = {"Accept": "text/plain", "Authorization": "Bearer other"}
    request = template.send("POST", template.url.raw_path, headers, b"{}")
    read = named(request)
    assert read["accept"] == "text/plain"
    assert read["authorization"] == "Basic dXNlcjp3b3Jk"
    assert len(read) == len(request.headers)
    assert json.loads(request.content) == {}


@pytest.mark.parametrize("address", ["", "chat.example", "/path", "http://"])
def test_an_address_without_a_host_is_refused(address: str) -> None:
    with pytest.raises((httpx.UnsupportedProtocol, httpx.InvalidURL)):
        RequestTemplate(address)
