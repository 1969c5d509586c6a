"""How a conversation's document is kept: what goes in comes out, also after the next program's skeleton."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.make import MARIA
from watcher.model import CONVERSATION
from watcher.store.sqlite import packing
from watcher.store.sqlite.packing import pack, unpack

SKELETONS = {1: "dc8a4bb3963f71aa"}
"""Digests of what documents were deflated against: an edited one makes every store unreadable."""


@given(st.binary(max_size=5000))
def test_what_goes_in_comes_out(document: bytes) -> None:
    assert unpack(pack(document)) == document


@given(st.binary(max_size=200))
def test_what_is_damaged_is_a_mistake_and_nothing_else(packed: bytes) -> None:
    try:
        document = unpack(packed)
    except ValueError:
        return
    assert isinstance(document, bytes)


@pytest.mark.parametrize("cut", [0, 1, 5, -1])
def test_what_is_cut_is_damaged(cut: int) -> None:
    with pytest.raises(ValueError, match="kept document"):
        unpack(pack(b'{"id":"1"}' * 20)[:cut])


def test_a_skeleton_is_never_edited_and_fits_into_the_window() -> None:
    found = {
        number: hashlib.sha256(skeleton).hexdigest()[:16]
        for number, skeleton in packing._SKELETONS.items()
    }
    assert found == SKELETONS
    assert all(len(one) < 2**-packing._WINDOW for one in packing._SKELETONS.values())


def test_an_ordinary_conversation_takes_a_third() -> None:
    assert MARIA.last_message is not None
    text = "Could somebody call me back about the quote for the roof? Thursday after five is best."
    document = CONVERSATION.adapter.dump_json(
        replace(MARIA, last_message=replace(MARIA.last_message, text=text))
    )
    assert len(pack(document)) < len(document) / 3
