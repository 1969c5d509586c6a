"""The tokens of links: what is signed is read, and nothing else."""

from __future__ import annotations

import dataclasses
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.make import T0, at
from watcher.links import LinkRefused, Links, LinkScope, read_token, sign

KEY, OTHER = b"k" * 32, b"o" * 32
SCOPE = LinkScope("ack", "sales", "c1", "e1", "team", "Waiting", int(at(600).timestamp()))

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
scopes = st.builds(
    LinkScope,
    action=st.sampled_from(["ack", "silence", "why", "open"]),
    source=texts,
    conversation=texts,
    event=texts,
    receiver=texts,
    rule=texts,
    ends=st.integers(int(at(1).timestamp()), int(at(1e8).timestamp())),
)


@given(scopes)
def test_what_is_signed_is_read_again(scope: LinkScope) -> None:
    token = sign(scope, KEY)
    assert read_token(token, [OTHER, KEY], T0) == scope
    assert sign(scope, KEY) == token
    assert all(sign.isalnum() or sign in "-_." for sign in token)


@given(scopes, st.data())
def test_nothing_altered_is_read(scope: LinkScope, data: st.DataObject) -> None:
    token = sign(scope, KEY)
    place = data.draw(st.integers(0, len(token) - 1))
    new = data.draw(st.sampled_from("ABCabc019-_.=+/ é"))
    altered = token[:place] + new + token[place + 1 :]
    if altered != token:
        with pytest.raises(LinkRefused):
            read_token(altered, [KEY], T0)


@given(scopes, scopes)
def test_a_signature_fits_one_scope_alone(one: LinkScope, other: LinkScope) -> None:
    """Of another conversation, another action, another end."""
    if one == other:
        return
    said, _, _ = sign(other, KEY).partition(".")
    _, _, signature = sign(one, KEY).partition(".")
    with pytest.raises(LinkRefused):
        read_token(f"{said}.{signature}", [KEY], T0)


@given(st.text(max_size=200))
def test_any_text_is_refused(text: str) -> None:
    with pytest.raises(LinkRefused):
        read_token(text, [KEY], T0)
    with pytest.raises(LinkRefused):
        read_token(text + "." + text, [KEY, OTHER], T0)


def test_a_link_ends() -> None:
    token = sign(SCOPE, KEY)
    assert read_token(token, [KEY], at(599)) == SCOPE
    with pytest.raises(LinkRefused) as refused:
        read_token(token, [KEY], at(600))
    assert refused.value.ended == at(600)


def test_a_key_that_is_gone_and_no_key_at_all() -> None:
    token = sign(SCOPE, KEY)
    for keys in ([], [OTHER]):
        with pytest.raises(LinkRefused):
            read_token(token, keys, T0)


def test_a_message_has_a_link_for_each_action_and_the_same_ones_again() -> None:
    lasts = {"ack": timedelta(days=7), "silence": timedelta(hours=24)}
    links = Links("https://w.example/inbox", KEY, lasts)  # type: ignore[arg-type]
    made = links.about("sales", "c1", "e1", "team", "Waiting", T0)
    assert made == links.about("sales", "c1", "e1", "team", "Waiting", T0)
    assert set(made) == {"ack", "silence"}
    scopes = {}
    for action, address in made.items():
        base, _, token = address.rpartition("/")
        assert base == "https://w.example/inbox/do"
        scopes[action] = read_token(token, [KEY], T0)
    silence = scopes["silence"]
    assert silence.until == T0 + timedelta(hours=24)
    assert dataclasses.replace(silence, action="ack", ends=scopes["ack"].ends) == scopes["ack"]
