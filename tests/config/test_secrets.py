"""Secrets: where they come from, when they are read again, and that they never show."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watcher.secrets import MissingSecret, Redactor, SecretText, parse_text

ENVIRON = {"TOKEN": "abcdef", "EMPTY": "", "HOST": "chat.example.com"}


def parse(raw: str, folder: Path = Path()) -> tuple[SecretText, list[str]]:
    text, missing = parse_text(raw, environ=ENVIRON, folder=folder, redactor=Redactor())
    return text, [problem.message for problem in missing]


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        ("plain", "plain"), ("", ""), ("${TOKEN}", "abcdef"), ("Bearer ${TOKEN}!", "Bearer abcdef!"),
        ("${TOKEN}${HOST}", "abcdefchat.example.com"), ("$$", "$"), ("$${TOKEN}", "${TOKEN}"),
        ("$$${TOKEN}", "$abcdef"), ("a$b", "a$b"), ("5$", "5$"), ("$TOKEN", "$TOKEN"),
        ("${MISSING:-x}", "x"), ("${MISSING:-}", ""), ("${EMPTY:-x}", "x"), ("${EMPTY}", ""),
        ("${TOKEN:-x}", "abcdef"), ("${MISSING:-a:-b}", "a:-b"), ("a}b{", "a}b{"),
    ],
)  # fmt: skip
def test_references_are_replaced(raw: str, value: str) -> None:
    text, problems = parse(raw)
    assert problems == []
    assert text.read() == value


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ("${MISSING}", "the environment variable MISSING is not set"),
        ("${TOKEN", "`${` is not closed"),
        ("${}", "`${…}` does not hold the name of a variable"),
        ("${a b}", "`${…}` does not hold the name of a variable"),
        ("${1A}", "`${…}` does not hold the name of a variable"),
        ("${TOKEN-x}", "`${…}` does not hold the name of a variable"),
        ("${file:}", "`${file:}` names no file"),
        ("${file:none}", "the secret's file none cannot be read: No such file or directory"),
    ],
)
def test_a_reference_that_leads_nowhere_is_said(raw: str, said: str) -> None:
    assert parse(raw)[1] == [said]


def test_every_reference_of_a_text_is_looked_at() -> None:
    assert len(parse("${A} ${B} ${TOKEN} ${C")[1]) == 3


@given(st.text(st.sampled_from("ab$"), max_size=20))
def test_a_doubled_dollar_is_always_one(text: str) -> None:
    assert parse(text.replace("$", "$$"))[0].read() == text


@given(st.text(st.sampled_from("a${}:-file TOKEN"), max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    parse(text)


@pytest.mark.parametrize("raw", ["abcdef", "x${TOKEN}y", "${TOKEN}", "${TOKEN:-default}"])
def test_neither_str_nor_repr_shows_a_value(raw: str) -> None:
    text, _ = parse(raw)
    for shown in (str(text), repr(text), f"{text}", f"{text!r}"):
        assert "abcdef" not in shown
        assert "default" not in shown


def test_the_references_have_names() -> None:
    text, _ = parse("x${TOKEN}-${HOST:-y}")
    assert text.names == ("TOKEN", "HOST")


@pytest.mark.parametrize(
    ("content", "value"),
    [
        (b"abc\n", "abc"),
        (b"abc\r\n", "abc"),
        (b"abc\n\n", "abc\n"),
        (b"abc", "abc"),
        (b" a ", " a "),
    ],
)
def test_a_files_last_line_break_is_cut(tmp_path: Path, content: bytes, value: str) -> None:
    (tmp_path / "token").write_bytes(content)
    text, problems = parse("${file:token}", tmp_path)
    assert problems == []
    assert text.read() == value
    assert text.names == ("file:token",)


def test_a_file_is_read_again_when_it_changes(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("first")
    text, _ = parse(f"${{file:{file}}}", Path("/nowhere"))
    assert text.read() == "first"
    file.write_text("second")
    os.utime(file, ns=(1, 1))
    assert text.read() == "second"
    (tmp_path / "new").write_text("third!")
    (tmp_path / "new").replace(file)
    assert text.read() == "third!"


def test_a_file_that_looks_unchanged_is_read_again_after_refresh(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("first")
    os.utime(file, ns=(1, 1))
    text, _ = parse("${file:token}", tmp_path)
    assert text.read() == "first"
    file.write_text("other")
    os.utime(file, ns=(1, 1))
    assert text.read() == "first"
    text.refresh()
    assert text.read() == "other"


def test_while_a_file_is_gone_the_last_value_stands(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("first")
    text, _ = parse("${file:token}", tmp_path)
    assert text.read() == "first"
    file.unlink()
    text.refresh()
    assert text.read() == "first"
    file.write_text("again")
    assert text.read() == "again"


@pytest.mark.parametrize("content", [b"\xff\xfehush", b"x" * 70_000])
def test_a_file_that_is_no_secret_is_refused_without_quoting_it(
    tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "token").write_bytes(content)
    (said,) = parse("${file:token}", tmp_path)[1]
    assert said == "the secret's file token cannot be read: it is not UTF-8 text under 64 KB"


def test_a_folder_is_no_secret(tmp_path: Path) -> None:
    (said,) = parse("${file:.}", tmp_path)[1]
    assert "Is a directory" in said


def test_without_an_environment_only_the_form_is_checked() -> None:
    text, missing = parse_text(
        "${A}${file:none}${B:-x}${", environ=None, folder=Path(), redactor=Redactor()
    )
    assert [problem.message for problem in missing] == ["`${` is not closed"]
    assert text.names == ("A", "file:none", "B")


def test_what_was_read_is_struck_out(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("first-value")
    redactor = Redactor()
    text, _ = parse_text("${file:token}", environ={}, folder=tmp_path, redactor=redactor)
    text.read()
    file.write_text("second-value!")
    text.read()
    assert redactor.scrub("a first-value, a second-value!") == "a ***, a ***"


def test_short_values_stay() -> None:
    redactor = Redactor()
    redactor.add("abc")
    redactor.add("abcd")
    assert redactor.scrub("abc abcd") == "abc ***"


def test_the_longest_value_is_struck_out_first() -> None:
    redactor = Redactor()
    redactor.add("secret")
    redactor.add("secret-and-more")
    assert redactor.scrub("x secret-and-more y") == "x *** y"


def test_a_url_is_struck_out_with_its_password_alone() -> None:
    redactor = Redactor()
    redactor.add_url("https://user:p%40ssword@example.com/path")
    assert redactor.scrub("p%40ssword or p@ssword") == "*** or ***"
    assert redactor.scrub("see https://user:p%40ssword@example.com/path") == "see ***"
    redactor.add_url("https://[half")
    assert redactor.scrub("https://[half") == "***"


@pytest.mark.parametrize(
    ("url", "text", "scrubbed"),
    [
        (
            "mailtos://ann:xyz@mail.example",
            "mailtos://ann:xyz@other.example",
            "mailtos://***@other",
        ),
        ("mailtos://ann:xyz@mail.example", "as ann:xyz refused", "as *** refused"),
        ("mailtos://ann:xyz@mail.example", "xyz@mail.example is unknown", "*** is unknown"),
        (
            "mailtos://ann:p%40s@mail.example",
            "ann:p@s, ann:p%40s, p@s@mail.example",
            "***, ***, ***",
        ),
        ("ntfys://me@ntfy.example/topic", "<me@ntfy.example>", "<***>"),
        (
            "http://a:b@proxy.example:3128",
            "the proxy http://a:b@proxy.example:3128/",
            "the proxy ***/",
        ),
        ("mailtos://the:to@mail.example", "the way to the mail", "the way to the mail"),
        (
            "mailtos://ann:xyz@mail.example",
            "https://example.com/@xyz?a=b@c",
            "https://example.com/@xyz",
        ),
        ("mailtos://ann:xyz@mail.example", "smtp://x:p@ss@host/", "smtp://***@host/"),
    ],
)
def test_a_short_part_of_a_url_is_known_by_its_place(url: str, text: str, scrubbed: str) -> None:
    redactor = Redactor()
    redactor.add_url(url)
    assert redactor.scrub(text).startswith(scrubbed)


@given(
    st.from_regex(r"[a-z]{1,3}", fullmatch=True), st.from_regex(r"[a-z0-9]{1,3}", fullmatch=True)
)
def test_three_characters_of_a_password_are_not_shown_beside_their_url(
    user: str, password: str
) -> None:
    redactor = Redactor()
    redactor.add_url(f"mailtos://{user}:{password}@MAIL.EXAMPLE/")
    for text in (
        f"{user}:{password}",
        f"mailtos://{user}:{password}@other",
        f"({user}:{password}@h)",
    ):
        assert f"{user}:{password}" not in redactor.scrub(text)
    ours = f"the word {password} and {user} of a sentence"
    assert redactor.scrub(ours) == ours


def test_a_short_secret_hides_no_part_of_our_words() -> None:
    redactor = Redactor()
    redactor.add("tiny")
    assert redactor.scrub("the source tinydesk, destiny") == "the source tinydesk, destiny"
    assert redactor.scrub("token=tiny, 'tiny', _tiny_ tiny") == "token=***, '***', _***_ ***"


def test_in_a_sentence_of_ours_what_may_be_a_word_of_it_stays() -> None:
    redactor = Redactor()
    for value in ("http", "token", "long-enough-1"):
        redactor.add(value)
    said = redactor.scrub_sentence("`token` is no http:// URL: long-enough-1, http://a:b@c")
    assert said == "`token` is no http:// URL: ***, http://***@c"
    assert redactor.scrub("the token") == "the ***"


@given(st.lists(st.text(min_size=8, max_size=12), max_size=5), st.text(max_size=30))
def test_no_known_value_is_left_in_a_scrubbed_text(values: list[str], around: str) -> None:
    redactor = Redactor()
    for value in values:
        redactor.add(value)
    scrubbed = redactor.scrub(around.join(values))
    assert all(value not in scrubbed for value in values if "*" not in value)


def test_a_literal_is_a_secret_text_too() -> None:
    text = SecretText.literal("abcdef")
    text.refresh()
    assert text.read() == "abcdef"
    assert text.names == ()
    assert "abcdef" not in repr(text)


def test_a_missing_secret_says_what_to_do() -> None:
    _, (missing,) = parse_text("a ${NONE}", environ={}, folder=Path(), redactor=Redactor())
    assert isinstance(missing, MissingSecret)
    assert missing.offset == 2
    assert "set NONE" in missing.remedy
