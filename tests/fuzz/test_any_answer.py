"""Answers drawn by Hypothesis from the documented shapes: whatever is read badly shrinks to a few keys."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from watcher.errors import SourceError
from watcher.pipeline import sanitize
from watcher.providers import Response

from .answers import NOW, NUMBERS, STATUSES, TEXTS
from .subjects import SUBJECTS

values = st.recursive(
    st.none()
    | st.booleans()
    | st.sampled_from(NUMBERS)
    | st.sampled_from(TEXTS)
    | st.integers()
    | st.floats()
    | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@st.composite
def bodies(draw: st.DrawFn, shapes: tuple[str, ...]) -> bytes:
    """A real page with some values, keys and rows changed; sometimes cut off."""
    plain = json.loads(draw(st.sampled_from(shapes)))
    for _ in range(draw(st.integers(0, 4))):
        node: Any = plain
        while True:
            at = draw(st.sampled_from(sorted(node))) if isinstance(node, dict) else None
            if isinstance(node, list):
                at = draw(st.integers(0, len(node) - 1))
            inner = node[at]
            if isinstance(inner, dict | list) and inner and draw(st.integers(0, 3)):
                node = inner
                continue
            break
        match draw(st.integers(0, 5)):
            case 0:
                del node[at]
            case 1 if isinstance(node, dict):
                node[draw(st.text(max_size=8))] = draw(values)
            case 2 if isinstance(node, list):
                node.append(inner)
            case _:
                node[at] = draw(values)
        if not plain:
            break
    text = json.dumps(plain, ensure_ascii=draw(st.booleans())).encode(errors="surrogatepass")
    return text if draw(st.integers(0, 9)) else text[: draw(st.integers(0, len(text)))]


@pytest.mark.parametrize("name", SUBJECTS)
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_any_answer_is_a_page_or_a_declared_error(name: str, data: st.DataObject) -> None:
    subject = SUBJECTS[name]
    provider = subject.make(data.draw(st.booleans(), label="raw"), {})
    motion = data.draw(st.sampled_from(sorted(subject.motions)), label="motion")
    position = provider.start(subject.motions[motion])
    for _ in range(data.draw(st.integers(1, 3), label="pages")):
        status = data.draw(st.just(200) | st.just(200) | st.sampled_from(STATUSES), label="status")
        body = data.draw(bodies(subject.shapes), label="body")
        try:
            page = sanitize(provider.parse(position, Response(status, body, {}, NOW, NOW)))
        except SourceError:
            return
        assert status // 100 == 2 or not page.rows, "rows of an answer that is a refusal"
        if page.next is None:
            return
        position = page.next
        provider.request(position)
