"""The redactor: every form of a secret is struck out, and nothing that merely looks like one."""

from __future__ import annotations

import json
import sys
import tracemalloc
import unicodedata
from itertools import permutations
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watcher.json_text import json_line
from watcher.secrets import Redactor
from watcher.simulator.echo import echo, forms_of

SECRETS = (
    "plain-token-1234",
    'to"k\\en/+%41&amp;',
    "пароль-и-ключ",
    "whsec_c2VjcmV0IGtleSBvZiB0ZXN0cw==",
)


@pytest.mark.parametrize("secret", SECRETS)
def test_every_form_is_struck_out(secret: str) -> None:
    redactor = Redactor()
    redactor.add(secret)
    for form in forms_of(secret):
        for text in (f"before {form} after", f'{{"x":"{form}"}}', f"({form})", f"a={form}&b=1"):
            struck = redactor.scrub(text)
            assert form not in struck, form
            assert "***" in struck


@given(st.text(min_size=8, max_size=20).filter(str.strip), st.data())
def test_escapes_within_escapes_hide_nothing(secret: str, data: st.DataObject) -> None:
    redactor = Redactor()
    redactor.add(secret)
    form = secret
    for write in data.draw(st.sampled_from(list(permutations(WRITTEN, 2)))):
        form = write(form)
    assert redactor.strike(f"<{form}>") == "<***>"


WRITTEN = (
    lambda text: json.dumps(text)[1:-1],
    lambda text: quote(text.encode(errors="replace"), safe=""),
    lambda text: "".join(f"&#{ord(char)};" if ord(char) > 159 else char for char in text),
)


def test_basic_credentials_are_known_by_user_and_password() -> None:
    redactor = Redactor()
    redactor.add_url("https://hookuser:hookpassw0rd77@crm.example.com/x")
    quoted = "\n".join(echo([(b"authorization", b"Basic aG9va3VzZXI6aG9va3Bhc3N3MHJkNzc=")]))
    struck = redactor.scrub(quoted)
    assert "hookpassw0rd77" not in struck
    assert "aG9va3VzZXI" not in struck
    other = Redactor()
    other.add("Basic aG9va3VzZXI6aG9va3Bhc3N3MHJkNzc=")
    assert other.scrub("hookuser:hookpassw0rd77 hookpassw0rd77") == "*** ***"


@pytest.mark.parametrize(
    ("secret", "text", "struck"),
    [
        ("abc", '{"key": "abc"}', '{"key": "***"}'),
        ("abc", "key=abc&x=1", "key=***&x=1"),
        ("abc", "x-key: abc", "x-key: ***"),
        ("abc", "the alphabet abc is short", "the alphabet abc is short"),
        ("open", "it is open; reopened", "it is ***; reopened"),
        ("open", "b3Blbg== is it", "*** is it"),
    ],
)
def test_a_short_secret_is_struck_out_where_it_stands_as_a_whole(
    secret: str, text: str, struck: str
) -> None:
    redactor = Redactor()
    redactor.add(secret)
    assert redactor.scrub(text) == struck


def test_what_people_wrote_loses_no_short_word() -> None:
    redactor = Redactor()
    for word in ("open", "hello", "a"):
        redactor.add(word)
    redactor.add("https://chat.example.com", certain=False)
    redactor.add("a-real-token-77")
    value = {"text": "hello, is it open?", "url": "https://chat.example.com/1", "n": [1, None]}
    assert redactor.scrub_result(value) == value
    assert redactor.scrub_result({"text": ["a-real-token-77!"]}) == {"text": ["***!"]}


@given(st.text(max_size=60))
def test_without_a_secret_in_it_a_text_stays(text: str) -> None:
    redactor = Redactor()
    redactor.add("\ue000 no text has this \ue001")
    assert redactor.scrub_result(text) == text
    assert redactor.strike(text) == text


@given(st.dictionaries(st.text(max_size=9), st.text(max_size=30), max_size=3))
def test_escaped_json_is_the_same_json(value: dict[str, str]) -> None:
    line = json_line(value)
    assert json.loads(line) == value
    assert all(unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Zl", "Zp") for char in line)


def test_no_character_that_steers_or_hides_is_left_in_json() -> None:
    hostile = "\x1b]0;PWNED\x07\x9b31m\x9d0;t\x9c\u202eevil\u200b\x7f\u2028\U000e0041"
    line = json_line({"name": hostile})
    assert line.isprintable()
    assert json.loads(line) == {"name": hostile}


def test_a_long_text_costs_what_its_escapes_and_secrets_are() -> None:
    """Every command strikes secrets out of all that it shows, texts of megabytes included."""
    redactor = Redactor()
    redactor.add("sk-1234567890abcdef")
    costs = [
        cost(redactor, f"{'hello & welcome ' * size} %41 sk%2D1234567890abcdef")
        for size in (1, 60_000)
    ]
    steps, space = zip(*costs, strict=True)
    assert steps[0] == steps[1]
    assert space[1] < 8  # times the text


def cost(redactor: Redactor, text: str) -> tuple[int, float]:
    """Return how many lines of Python scrubbing takes, and its memory as a multiple of the text."""
    lines = 0

    def count(_frame: Any, event: str, _argument: Any) -> Any:
        nonlocal lines
        lines += event == "line"
        return count

    assert "1234567890abcdef" not in redactor.scrub(text)
    tracemalloc.start()
    sys.settrace(count)
    try:
        redactor.scrub(text)
        return lines, tracemalloc.get_traced_memory()[1] / len(text)
    finally:
        sys.settrace(None)
        tracemalloc.stop()
