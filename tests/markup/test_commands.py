"""A stranger's words are no command: neither in a chat, nor in a log, a template or a mail's subject."""

from __future__ import annotations

from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import default

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watcher.markup import service_of, write
from watcher.markup.escaping import GAP, clean_line

WORDS = st.text(
    st.sampled_from("=?utf-8qb_0DA:/{%} \u00e9\U0001f534\n") | st.characters(), max_size=60
)


@pytest.mark.parametrize("schema", ["zulip", "slack", "discord", "mmost", "tgram", "matrix", "new"])
@pytest.mark.parametrize("text", ["/poll Which?\nA\nB", "/me is the admin", "  /shrug"])
def test_a_chat_gets_no_command(schema: str, text: str) -> None:
    written = write(service_of(f"{schema}://x"), text, text, "text")
    for part in (written.title, written.heading, written.body):
        assert not part.lstrip().startswith("/")
        assert "/" in part


def test_a_text_message_keeps_its_slash() -> None:
    assert write(service_of("twilio://x"), "", "/etc/passwd", "text").body == "/etc/passwd"


@pytest.mark.parametrize("schema", ["syslog", "rsyslog"])
def test_a_log_gets_one_line(schema: str) -> None:
    written = write(service_of(f"{schema}://x"), "t", "hello\n<0>Nov 30 kernel: forged", "text")
    assert written.body == "hello <0>Nov 30 kernel: forged"


@given(WORDS)
def test_home_assistant_gets_no_template(text: str) -> None:
    body = write(service_of("hassio://x"), "", text + "{{ states }}{% x %}{# c #}", "text").body
    assert not any(sign in body for sign in ("{{", "{%", "{#"))


@given(WORDS)
def test_what_a_mail_parser_reads_is_what_was_written(text: str) -> None:
    title = write(service_of("mailto://x"), text, "", "text").title
    mail = EmailMessage(policy=default)
    mail["Subject"] = title
    plain = b"Subject: " + title.encode() + b"\n\n" if title.isascii() else mail.as_bytes()
    read = BytesParser(policy=default).parsebytes(plain)["Subject"] or ""
    assert " ".join(read.replace(GAP, "").split()) == " ".join(
        clean_line(text).replace(GAP, "").split()
    )


@pytest.mark.parametrize(
    "name",
    [
        "=?utf-8?q?=E2=80=AEpayment_refused?=",
        "=?utf-8?b?8J+UtCBBY21lIEJhbms=?=",
        "=?utf-8?q?=0D=0ABcc:_q@q?=",
    ],
)
def test_an_encoded_word_stays_a_word(name: str) -> None:
    title = write(service_of("mailto://x"), name, "", "text").title
    assert "=?" not in title
    assert not title.isascii(), "so Apprise encodes the whole subject"
    assert title.replace(GAP, "") == name
