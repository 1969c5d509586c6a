"""YAML 1.2 with places: scalars by table, refusals, and the place of a character in a scalar."""

from __future__ import annotations

import math
from typing import Any

import pytest
import yaml as pyyaml
from hypothesis import given
from hypothesis import strategies as st

from watcher.config import yaml
from watcher.config.tree import Entries, Items, Node, Scalar


def read(text: str) -> Node:
    root, problems = yaml.parse(text.encode(), "file.yaml")
    assert problems == ()
    assert root is not None
    return root


def plain(node: Node) -> Any:
    match node:
        case Entries():
            return {entry.name: plain(entry.value) for entry in node}
        case Items():
            return [plain(item) for item in node.items]
        case Scalar():
            return node.value


def complaints(text: str | bytes) -> list[str]:
    content = text if isinstance(text, bytes) else text.encode()
    return [str(problem) for problem in yaml.parse(content, "f.yaml")[1]]


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("on", "on"), ("off", "off"), ("yes", "yes"), ("no", "no"), ("Y", "Y"), ("n", "n"),
        ("true", True), ("True", True), ("TRUE", True), ("tRUE", "tRUE"), ("false", False),
        ("null", None), ("Null", None), ("~", None), ("", None), ("nil", "nil"),
        ("12:30", "12:30"), ("12:30:45", "12:30:45"), ("1_000", "1_000"),
        ("010", 10), ("0", 0), ("-7", -7), ("+7", 7), ("0o17", 15), ("0x1F", 31), ("0b11", "0b11"),
        ("-0x1F", "-0x1F"), ("1.5", 1.5), ("1.", 1.0), (".5", 0.5), ("1e3", 1000.0), ("-.5E-1", -0.05),
        (".inf", math.inf), ("-.INF", -math.inf), ("+.Inf", math.inf), ("inf", "inf"), ("e3", "e3"),
        ("2026-11-20", "2026-11-20"), ("=", "="), ("'12'", "12"), ('"true"', "true"),
        ("!!str 12", "12"), ("!!int 12", 12), ("! 12", "12"), ("'a''b'", "a'b"), (r'"\u00fc"', "ü"),
    ],
)  # fmt: skip
def test_scalars_are_those_of_the_core_schema_of_yaml_1_2(written: str, value: object) -> None:
    read_value = plain(read(f"key: {written}\n"))["key"]
    assert read_value == value
    assert type(read_value) is type(value)


def test_not_a_number_is_one_of_them() -> None:
    assert math.isnan(plain(read("key: .nan"))["key"])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\nb: 2\na: 3\n", "f.yaml:3:1: duplicate key `a`; first used at line 1,"),
        ("a:\n  - b: 1\n    'b': 2\n", "f.yaml:3:5: duplicate key `b`; first used at"),
        ("1: x\n0x1: y\n1: z\n", "f.yaml:3:1: duplicate key `1`"),
        ("a: 1\n---\nb: 2\n", "f.yaml:2:1: a second document"),
        ("a:\n\tb: 1\n", "f.yaml:2:1: a tab where YAML wants spaces (indent with spaces)"),
        ("a: @b\n", "f.yaml:1:4: a value that begins with @ needs quotes around the whole"),
        ("a: b: c\n", "f.yaml:1:5: not valid YAML: "),
        ("a: 1\nb: 'c\n\n", "f.yaml:2:4: not valid YAML: "),
        ("a: [b\n", "not valid YAML"),
        ("a: {b: ${C}}\n", 'f.yaml:1:9: `${…}` without quotes in braces or brackets (write "${NAME}")'),
        ("a: {{ b }}\n", "f.yaml:1:4: a value that begins with {{ needs quotes around the whole"),
        ("a: {{ b }} c\n", "f.yaml:1:4: a value that begins with {{ needs quotes"),
        ("a: [b, *.c]\n", "f.yaml:1:8: a value that begins with * needs quotes"),
        ("a: {b: &.c}\n", "f.yaml:1:8: a value that begins with & needs quotes"),
        ("a: `b`\n", "f.yaml:1:4: a value that begins with ` needs quotes"),
        ("a: 'b' c\n", "f.yaml:1:4: a value that begins with ' needs quotes"),
        ("a: | b\n", "f.yaml:1:6: a value that begins with | or > goes on in the next line"),
        ("a: - b\n", "(write the list below its key, or as [one, two])"),
        ("a: *b\n", "f.yaml:1:4: an alias (`*…`) whose anchor"),
        ("a: &b [*b]\n", "f.yaml:1:8: an alias that contains itself"),
        ("a: &b {c: 1}\nd:\n  <<: *b\n", "f.yaml:3:3: merge keys (`<<`) are not part of YAML 1.2"),
        ("a: !!python/name:os.system x\n", "f.yaml:1:4: tags (`!…`) are not supported here"),
        ("a: !!int x\n", "f.yaml:1:4: the value does not fit its tag `!!int`"),
        ("a: " + "9" * 5000, "f.yaml:1:4: the number is too long"),
        ("[a]: 1\n", "f.yaml:1:1: a key must be text, found a list"),
        ("? {a: b}\n: 1\n", "f.yaml:1:3: a key must be text, found a mapping"),
        ("a: \x07\n", "f.yaml:1:4: the character U+0007 is not allowed in YAML"),
        (b"a: \xff\n", "f.yaml:1:4: the file is not UTF-8 text"),
        (b"a: b\n" * 300_000, "f.yaml:1:1: the file is over 1 MB"),
        ("[" * 100_000, "f.yaml:1:52: nested more than 50 levels deep"),
    ],
)  # fmt: skip
def test_what_is_refused_says_where_and_why(text: str | bytes, said: str) -> None:
    assert said in "\n".join(complaints(text))


def test_duplicate_keys_are_all_reported() -> None:
    assert len(complaints("a: 1\na: 2\nb: {c: 1, c: 2}\na: 3\n")) == 3


def test_a_merge_key_in_quotes_is_a_key_like_any_other() -> None:
    assert plain(read('"<<": 1\n')) == {"<<": 1}


def test_aliases_stand_for_what_their_anchor_holds() -> None:
    assert plain(read("a: &x [1, on]\nb: *x\nc: {d: *x}\n"))["c"] == {"d": [1, "on"]}


def test_aliases_that_explode_are_refused_at_once() -> None:
    lines = ["a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]"]
    lines += [
        f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]" for level in range(1, 12)
    ]
    (said,) = complaints("\n".join(lines))
    assert "aliases expand to more than 1 MB" in said


@pytest.mark.parametrize("text", ["", "# only a comment\n", "---\n", "\ufeff"])
def test_an_empty_document_is_no_mistake(text: str) -> None:
    root, problems = yaml.parse(text.encode(), "f.yaml")
    assert problems == ()
    assert root is None or plain(root) is None


def test_keys_and_values_know_their_line_and_column() -> None:
    root = read("# ü\na:\n  - é: &x  wert\n    b: [1, zwei]\n")
    assert isinstance(root, Entries)
    items = root.entries[0].value
    assert isinstance(items, Items)
    first = items.items[0]
    assert isinstance(first, Entries)
    places = [(e.key.place.line, e.key.place.column, e.value.place.column) for e in first]
    assert places == [(3, 5, 8), (4, 5, 8)]


@pytest.mark.parametrize(
    ("text", "target", "place"),
    [
        ("k: one two X\n", "X", (1, 12)),
        ("k: 'it''s X'\n", "X", (1, 11)),
        ('k: "\\u00fc\\n\\"X"\n', "X", (1, 15)),
        ("k: |\n  one\n   two X\n", "X", (3, 8)),
        ("k: |2  # comment X\n    one\n\n\n  two X\n", "X", (5, 7)),
        ("k: >-\n  one\n  two\n\n  X\n", "X", (5, 3)),
        ("k: one\n   two X\n", "X", (2, 8)),
        ('k: "one\n   two \\\n   X"\n', "X", (3, 4)),
        ("k: &anchor  one X\n", "X", (1, 17)),
        ("k: !!str one X\n", "X", (1, 14)),
        ("\ufeffk: ü X\n", "X", (1, 6)),
        ("k: |\r\n  one\r\n  X\r\n", "X", (3, 3)),
    ],
)
def test_a_character_of_a_scalar_is_found_in_the_file(
    text: str, target: str, place: tuple[int, int]
) -> None:
    root = read(text)
    assert isinstance(root, Entries)
    node = root.entries[0].value
    assert isinstance(node, Scalar)
    found = node.at(node.raw.index(target))
    assert (found.line, found.column) == place


def test_an_offset_behind_the_end_is_right_after_the_text() -> None:
    root = read("k: abc  # c\n")
    assert isinstance(root, Entries)
    node = root.entries[0].value
    assert isinstance(node, Scalar)
    assert node.at(3).column == 7
    assert node.at(99).column == 7


@given(st.text(st.sampled_from("ab ü'\"\\:#$\n\t-[]{}"), max_size=40), st.sampled_from(["'", '"']))
def test_every_visible_character_of_a_quoted_text_is_found(text: str, quote: str) -> None:
    dumped = pyyaml.dump({"k": text}, default_style=quote, allow_unicode=True, width=20)
    root = read(dumped)
    assert isinstance(root, Entries)
    node = root.entries[0].value
    assert isinstance(node, Scalar)
    assert node.raw == text
    lines = dumped.split("\n")
    for offset, char in enumerate(text):
        place = node.at(offset)
        if char in "abü:#$-[]{}":
            assert lines[place.line - 1][place.column - 1] == char


@given(st.text(st.sampled_from("ab: -[]{}&*!|>'\"%@#,?\n\t\\~0<"), max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    root, problems = yaml.parse(text.encode(), "f.yaml")
    assert problems or root is None or isinstance(root, Entries | Items | Scalar)


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    yaml.parse(content, "f.yaml")


def test_without_libyaml_the_python_twin_reads_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "a: &x [1, on, 'it''s', \"\\u00fc\"]\nb: *x\nc: |\n  one\n  two\n"
    fast = plain(read(text))
    monkeypatch.setattr(yaml, "_LOADER", pyyaml.SafeLoader)
    assert plain(read(text)) == fast
    assert complaints("a:\n\tb: 1\n") == [
        "f.yaml:2:1: a tab where YAML wants spaces (indent with spaces)"
    ]
    assert complaints("a: 'b\n")
