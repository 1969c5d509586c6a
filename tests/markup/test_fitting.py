"""Laws of fitting: whatever a message says, it fits, keeps its link, and stays valid markup."""

from __future__ import annotations

import pickle
import re
import unicodedata
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.markup.test_escaping import HOSTILE, read_html, read_markdown
from watcher.markup import (
    Draft,
    Format,
    Part,
    Text,
    Written,
    brief,
    fit,
    service_of,
    shortened,
    write,
)

LINK = "https://inbox.example.com/accounts/3/conversations/12"
FAMILY, FLAG, ACCENT = (
    "\U0001f468\u200d\U0001f469\u200d\U0001f467",
    "\U0001f1e9\U0001f1ea",
    "e\u0301",
)


def room(most: int, title: int = 0) -> Any:
    """A service that takes so many characters, of a title as well where it has a field for one."""

    def fits(written: Written) -> bool:
        if title:
            return len(written.body) <= most and len(written.title) <= title
        return len(written.heading) + 2 + len(written.body) <= most

    return fits


@pytest.mark.parametrize(
    ("text", "most", "expected"),
    [
        ("short", 5, "short"),
        ("a long sentence of words", 20, "a long… (cut)"),
        ("x" * 30, 20, "x" * 13 + "… (cut)"),
        ("see https://shop.example/a_b for more of it", 30, "see… (cut)"),
        ("x" * 10 + FAMILY + "y" * 20, 19, "x" * 10 + "… (cut)"),
        ("x" * 10 + ACCENT + "y" * 20, 18, "x" * 10 + "… (cut)"),
        ("x" * 10 + FLAG * 2 + "y" * 20, 20, "x" * 10 + FLAG + "… (cut)"),
        ("x" * 10 + "\U0001f44d\U0001f3fd" + "y" * 20, 18, "x" * 10 + "… (cut)"),
        ("one two", 3, "…"),
        ("one two", 0, ""),
    ],
)  # fmt: skip
def test_a_text_is_cut_where_a_reader_would(text: str, most: int, expected: str) -> None:
    assert shortened(text, most) == expected


@given(st.text(max_size=60) | HOSTILE, st.integers(0, 70))
def test_a_shortened_text_is_short_and_begins_as_the_whole(text: str, most: int) -> None:
    cut = shortened(text, most)
    assert len(cut) <= most
    if cut != text:
        assert text.startswith(cut.removesuffix("… (cut)").removesuffix("…"))
        rest = text[len(cut.removesuffix("… (cut)")) :]
        if cut.endswith("(cut)") and len(cut) > 7:
            assert not unicodedata.combining(rest[0])


OWN: dict[Format, tuple[str, str, str, str]] = {
    "text": ("From ", ": ", "\n", "\nbye"),
    "markdown": ("**", "**: *said*\n\n> ", "\n\n[Open it](", ")"),
    "html": ("<p><b>", "</b>: <i>said</i></p><p>", '</p><p><a href="', '">Open it</a></p>'),
}


def message(format_: Format, text: str, name: str = "Ana") -> Draft:
    before, between, behind, end = OWN[format_]
    parts = [(before, True), (name, False), (between, True), (text, False), (behind, True)]
    body = Text([*parts, (LINK, False), (end, True)])
    return Draft(Text([("New: ", True), (name, False)]), body, format_, LINK)


URLS = ("discord://1/2", "tgram://1/2", "mailto://a:b@example.com", "twilio://x", "slack://a/b/c")


@pytest.mark.parametrize("format_", list(OWN))
@pytest.mark.parametrize("url", URLS)
@given(HOSTILE.map(lambda text: text * 40), st.integers(150, 900))
@settings(max_examples=30)
def test_values_get_shorter_and_an_author_s_markup_stays(
    format_: Format, url: str, text: str, most: int
) -> None:
    service = service_of(url)
    written = fit(message(format_, text), service, room(most), longest=100_000)
    assert room(most)(written)
    assert LINK in written.body.replace("&amp;", "&").replace("%5F", "_")
    whole = write(service, message(format_, "x").title, message(format_, "x").body, format_)
    if written.handing == "html":
        assert read_html(written.body)[1] <= read_html(whole.body)[1] | {"br"}
    elif written.handing in ("native", "markdown"):
        assert read_markdown(written.body)[1] <= read_markdown(whole.body)[1]


def test_what_is_optional_goes_before_values_get_short() -> None:
    text = "Is the bicycle in the window still for sale, and does it have lights?"
    lines = [("\n", "whole"), ("Assigned to: Ana, who is away\n", "optional"), (LINK, "whole")]
    body = Text([Part(text, False), *(Part(line, False, keep) for line, keep in lines)])
    draft = Draft(Text([Part("New message from Maria", False)]), body, link=LINK)
    sms = service_of("twilio://x")
    assert "Assigned" in fit(draft, sms, room(200), longest=100_000).body
    assert fit(draft, sms, room(160), longest=100_000).body == f"{text}\n{LINK}"
    short = fit(draft, sms, room(130), longest=100_000).body
    assert short.startswith("Is the bicycle in the window")
    assert short.endswith(f"… (cut)\n{LINK}")


def digest(count: int, format_: Format = "text") -> Draft:
    before, end = {"text": ("- ", "\n"), "markdown": ("- **", "**\n"), "html": ("<li>", "</li>\n")}[
        format_
    ]
    parts = [
        part
        for n in range(count)
        for part in ((before, True), (f"message {n:03}", False), (end, True))
    ]
    around = [("<ul>\n", True)] if format_ == "html" else []
    whole = Text([*around, *parts, *([("</ul>\n", True)] if around else [])])
    return Draft(Text([Part(f"{count} notifications", False)]), whole, format_, digest=True)


@pytest.mark.parametrize("url", URLS)
def test_a_digest_drops_lines_and_says_how_many(url: str) -> None:
    written = fit(digest(90), service_of(url), room(500), longest=100_000)
    assert room(500)(written)
    shown = len(re.findall("message [0-9]{3}", written.body))
    assert 15 < shown < 90
    assert written.body.endswith(f"… and {90 - shown} more")


def test_a_chat_gets_fifty_lines_of_a_digest_of_ours_and_mail_all() -> None:
    lines = [Part(f"- Maria: message {n:03}\n", False, "whole") for n in range(120)]
    ours = Draft(Text([Part("120 notifications", False)]), Text(lines), digest=True)
    chat = fit(ours, service_of("zulip://x"), room(100_000), longest=2_000)
    assert chat.body.count("message") == 50
    assert chat.body.endswith("… and 70 more")
    mail = fit(ours, service_of("mailto://a:b@example.com"), room(100_000), longest=2_000)
    assert mail.body.count("message") == 120


def test_lines_that_go_leave_no_markup_open() -> None:
    html = fit(
        digest(90, "html"), service_of("mailto://a:b@example.com"), room(500), longest=100_000
    ).body
    opened, closed = re.findall("<([a-z]+)>", html), re.findall("</([a-z]+)>", html)
    assert sorted(opened) == sorted(closed)
    assert re.search(r"</ul><br />\n… and [0-9]+ more\Z", html)
    lines = ["```\n", *(f"line {n} of an author's own words\n" for n in range(40)), "```\n"]
    own = Draft(Text(), Text([("".join(lines), True)]), "markdown", digest=True)
    fenced = fit(own, service_of("discord://1/2"), room(400), longest=100_000).body
    _, found = read_markdown(fenced)
    assert found == {"fence"}
    assert re.search(r"```\n\n… and [0-9]+ more\Z", fenced)


def test_an_author_s_words_that_are_too_long_become_plain() -> None:
    own = "**Bold** and [a link](https://example.com/x) and `code`. " * 40
    draft = Draft(Text([("*Hi*", True)]), Text([(own, True), (LINK, False)]), "markdown", LINK)
    written = fit(draft, service_of("twilio://x"), room(160), longest=100_000)
    assert room(160)(written)
    assert written.body.startswith("Bold and a link (https://example.com/x) and code.")
    assert written.body.endswith(f"… (cut)\n{LINK}")


def test_a_title_has_its_own_room() -> None:
    draft = Draft(Text([("New message from ", True), ("Maria " * 50, False)]), Text([("x", False)]))
    written = fit(draft, service_of("zulip://x"), room(1000, title=60), longest=100_000)
    assert written.title.startswith("New message from Maria Maria")
    assert written.title.endswith("… (cut)")
    assert 40 < len(written.title) <= 60


def test_an_author_s_title_that_is_too_long_becomes_plain() -> None:
    draft = Draft(Text([("**Hot** lead " * 20, True)]), Text([("x", False)]), "markdown")
    written = fit(draft, service_of("zulip://x"), room(1000, title=60), longest=2_000)
    assert written.title.startswith("Hot lead Hot lead")
    assert written.title.endswith("… (cut)")
    assert len(written.title) <= 60


def test_a_longest_value_is_all_that_a_chat_gets_of_a_mail() -> None:
    draft = message("text", "word " * 5_000)
    written = fit(draft, service_of("discord://1/2"), room(1_000_000), longest=2_000)
    assert 1_900 < len(written.body) < 2_200
    assert LINK in written.body


@pytest.mark.parametrize("format_", list(OWN))
def test_brief_says_it_without_any_markup(format_: Format) -> None:
    short = brief(message(format_, "Does it have *lights*? <b>" + "really " * 200, "Ana_B"))
    assert short.format == "text"
    assert short.title == "New: Ana_B"
    assert len(short.body) <= 500
    assert "Ana_B: said" in short.body or format_ == "text"
    assert "Does it have *lights*? <b>really" in short.body
    assert short.body.endswith(f"… (cut)\n{LINK}")
    assert "**" not in short.body
    assert "href" not in short.body


@given(HOSTILE, st.integers(0, 200))
def test_brief_is_never_longer_than_asked_for(text: str, most: int) -> None:
    for format_ in OWN:
        assert len(brief(message(format_, text), most).body) <= most


def test_a_draft_survives_the_way_to_another_process() -> None:
    draft = message("html", "hello")
    assert pickle.loads(pickle.dumps(draft)) == draft  # noqa: S301 - our own bytes
    assert pickle.loads(pickle.dumps(draft)).body.parts == draft.body.parts  # noqa: S301
