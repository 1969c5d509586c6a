"""Laws of escaping: whatever a stranger writes, a reader of the format finds text and nothing else."""

from __future__ import annotations

import html
import re
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from watcher.markup import Text, joined, service_of, write
from watcher.markup.escaping import (
    GAP,
    as_html,
    as_markdown,
    as_plain_words,
    clean,
    clean_line,
    guarded,
)

SIGNS = "@<>[]()!*_~`#|&;:/\\-+=.$\"'{}^ \n\t"
WORDS = (
    "everyone", "here", "channel", "all", "room", "<!channel>", "<!here|x>", "<@U123>", "<@&77>",
    "@everyone", "@here", "@all", "@**all**", "@_**Ana**", "<users/all>", "<at>Ana</at>",
    '<at user_id="all"></at>', "[CQ:at,qq=all]", "(met)all(met)", "[x](http://evil.example)",
    "![x](http://evil.example/x.png)", "<http://evil.example|bank>", "<b>", "</b>", "<script>",
    "&lt;", "&#60;", "&amp;", "```", "~~~", "# ", "- ", "1. ", "2) ", "===", "---", "> ", "    ",
    "https://a.example/b_c?d=*e*", "http://", "ana@example.com", "\\", "||", "[a]: http://x",
    "\u202e", "\u200b", "\u200d", "\ufeff", "\x00", "\x1b[31m", "\r\n", "Bcc: x@example.com",
    "na\u00efve", "\U0001f468\u200d\U0001f469", "\u0645\u06cc\u200c\u062e", "Ana", "3.14", "a_b",
)  # fmt: skip
HOSTILE = st.lists(
    st.sampled_from(WORDS) | st.sampled_from(SIGNS) | st.text(max_size=4), max_size=12
).map("".join)
AROUND = st.sampled_from(
    [
        ("", ""),
        ("Hello ", "!"),
        ("**", "**"),
        ("- ", "\n- b"),
        ("> ", ""),
        ("# ", "\n"),
        ("1. ", "[x](http://own)"),
    ]
)


def plain(text: str) -> str:
    """Leave out what differs between what was written and what is read, though nobody sees it."""
    text = text.replace("\u00a0", " ").replace(GAP, "")
    text = re.sub(r"%(5F|2A|7E|21|26|40)", lambda found: chr(int(found.group(1), 16)), text)
    return " ".join(text.split())


MARKDOWN = MarkdownIt("commonmark").enable(["table", "strikethrough"])


def read_markdown(source: str) -> tuple[str, set[str]]:
    """Read as CommonMark with tables: the text, and the kinds of everything that is no text."""
    found: set[str] = set()
    text: list[str] = []

    def walk(tokens: list[Any]) -> None:
        for token in tokens:
            if token.type in ("text", "text_special"):
                text.append(token.content)
            elif token.type in ("softbreak", "hardbreak", "paragraph_close"):
                text.append("\n")
            elif token.markup == "autolink":  # <https://…>: a bare address as well
                pass
            elif token.type not in ("inline", "paragraph_open"):
                found.add(token.type)
            walk(token.children or [])

    walk(MARKDOWN.parse(source))
    return "".join(text), found


class Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.text = ""
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.add(tag)

    def handle_endtag(self, tag: str) -> None:
        self.tags.add(tag)

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_comment(self, data: str) -> None:
        self.tags.add("comment")

    handle_decl = handle_pi = unknown_decl = handle_comment


def read_html(source: str) -> tuple[str, set[str]]:
    reader = Reader()
    reader.feed(source)
    reader.close()
    return reader.text, reader.tags


@given(HOSTILE)
@settings(max_examples=400)
def test_markdown_gives_a_strangers_text_back_and_nothing_else(text: str) -> None:
    read, found = read_markdown(as_markdown(guarded(clean(text))))
    assert not found
    assert plain(html.unescape(read) if "&" not in text else read) == plain(clean(text))


@given(HOSTILE.filter(lambda text: clean(text).strip() != ""), AROUND)
@settings(max_examples=400)
def test_within_an_authors_markdown_a_value_adds_no_markup(
    value: str, around: tuple[str, str]
) -> None:
    before, after = around
    text = Text([(before, True), (value, False), (after, True)])
    harmless = Text([(before, True), ("x", False), (after, True)])
    for url in ("discord://1/2", "mailto://a:b@example.com", "tgram://1/2", "zulip://x"):
        service = service_of(url)
        _, expected = read_markdown(write(service, "", harmless, "markdown").body)
        _, found = read_markdown(write(service, "", text, "markdown").body)
        assert found <= expected, (url, write(service, "", text, "markdown").body)


@given(HOSTILE)
def test_html_gives_a_strangers_text_back_and_nothing_else(text: str) -> None:
    written = as_html(clean(text))
    read, tags = read_html(written)
    assert tags <= {"br"}
    assert read == clean(text)
    in_attribute = re.fullmatch(r'<p title="([^"]*)">', f'<p title="{written}">')
    assert in_attribute
    assert "<" not in in_attribute.group(1).replace("<br />", "")


MENTIONS = re.compile(
    r"""@(?:everyone|here|all|channel|room)\b | (?<!\w)@[\w*] | <[!@#&:] | </?[a-z] | \[CQ: | \(met\)""",
    re.VERBOSE | re.IGNORECASE,
)


@given(HOSTILE)
@settings(max_examples=400)
@example("@\u200deveryone")
@example("\uff20everyone @\u200bhere")
@example("bob@here.com <\u2060!channel>")
def test_no_mention_is_left(text: str) -> None:
    written = guarded(clean(text))
    assert not MENTIONS.search(written)
    assert written.replace(GAP, "").replace("%40", "@") == clean(text).replace("%40", "@")


@pytest.mark.parametrize("before", ["@", "Hi @", "@**", "<!", "<@", "<users/"])
def test_a_value_is_no_name_for_an_authors_sign(before: str) -> None:
    assert guarded("everyone", before) == GAP + "everyone"
    assert guarded("Ana", before) == "Ana"


def test_a_mention_is_not_put_together_of_two_values() -> None:
    halves = Text([("@", False), ("-", True), ("everyone", False)])
    assert write(service_of("discord://1/2"), "", halves, "markdown").body.startswith(f"@{GAP}")


@given(st.text() | HOSTILE)
@settings(max_examples=400)
def test_cleaning_leaves_what_can_be_seen_and_is_done_once(text: str) -> None:
    once = clean(text)
    assert clean(once) == once
    assert not re.search(
        "[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u200b\u200e\u200f\ufeff]", once
    )
    assert clean_line(text) == " ".join(once.split())
    once.encode()


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("a\u202eb\u2066c", "abc"),
        ("pay\u200bpal\ufeff\u00ad", "paypal"),
        ("a\u200db", "ab"),
        ("\U0001f468\u200d\U0001f469\u200d\U0001f467", "\U0001f468\u200d\U0001f469\u200d\U0001f467"),
        ("\u0645\u06cc\u200c\u062e\u0648", "\u0645\u06cc\u200c\u062e\u0648"),
        ("one\r\ntwo\rthree\u2028four\x0bfive", "one\ntwo\nthree\nfour\nfive"),
        ("\x1b[31mred\x07", "[31mred"),
        ("\ud800x", "\ufffdx"),
        ("e" + "\u0301" * 50, "e" + "\u0301" * 6),
        ("\U000e0041\U000e0042hidden\u3164", "hidden"),
        ("\u20ac 5, \u4f60\u597d \u2764\ufe0f", "\u20ac 5, \u4f60\u597d \u2764\ufe0f"),
    ],
)  # fmt: skip
def test_cleaning(text: str, cleaned: str) -> None:
    assert clean(text) == cleaned


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("*a* _b_ ~c~ `d`", "\u2217a\u2217 \uff3fb\uff3f \u223cc\u223c \u02cbd\u02cb"),
        ("snake_case 5*3 a~b", "snake_case 5*3 a~b"),
        ("> quoted", "\u203a quoted"),
        ("https://a.example/_x_?y=*", "https://a.example/%5Fx%5F?y=%2A"),
        ("https://a.example/?a=1&b=2_x_y~z", "https://a.example/?a=1&b=2_x_y~z"),
    ],
)  # fmt: skip
def test_signs_without_an_escape_are_replaced_where_they_would_count(
    text: str, written: str
) -> None:
    assert as_plain_words(text) == written


@pytest.mark.parametrize(
    "url", ["slack://a/b/c", "discord://1/2", "zulip://x", "sms://x", "mailto://x"]
)
def test_an_address_still_leads_to_the_same_place(url: str) -> None:
    address = "https://app.example.com/a-b.c/in_box_x?id=x&y=2_x_y#z"
    assert address in write(service_of(url), "", joined(f"See {address}."), "text").body
    named = write(service_of(url), "", joined("https://blog.example.com/@ana"), "text").body
    assert named.strip("<>") in ("https://blog.example.com/@ana", "https://blog.example.com/%40ana")


@pytest.mark.parametrize("url", ["slack://a/b/c", "discord://1/2", "tgram://x", "mailto://x"])
def test_an_address_is_left_as_it_is_where_an_author_s_link_leads(url: str) -> None:
    address = "https://app.example.com/_x_/*y*?a=1&b=2"
    for before, after, format_ in (("[it](", ")", "markdown"), ('<a href="', '">it</a>', "html")):
        body = Text([(before, True), (address, False), (after, True)])
        written = write(service_of(url), "", body, format_).body  # type: ignore[arg-type]  # of a table
        assert address in html.unescape(written)
