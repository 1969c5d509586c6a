"""Parameters of an Apprise URL that its service does not know."""

from __future__ import annotations

import pytest

from watcher.notify.apprise import validate

MAIL = "mailtos://mail.example.com?user=ann&from=a@b.example"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        (
            "mailto://ann:hush@mail.example.com?from=a@b.example&formt=html",
            "mailto:// has no parameter `formt`; did you mean `format`?",
        ),
        (
            "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ?fotter=no",
            "slack:// has no parameter `fotter`; did you mean `footer`?",
        ),
        ("json://localhost?foo=hush", "json:// has no parameter `foo`"),
        (
            f"{MAIL}&password=hush;34",
            "mailtos:// does not know the fourth parameter behind the ?; where it is a part of a"
            " value, write %3B for a ; and %26 for an &",
        ),
        (f"{MAIL}&password=hush&hush34=1", "mailtos:// does not know the fourth parameter"),
        (f"{MAIL}&password=hush&HUSH", "mailtos:// does not know the fourth parameter"),
        (
            "mailtos://mail.example.com?user=ann&pass=hush",
            "mailtos:// has no parameter `pass`; did you mean `password`?",
        ),
        ("slak://a/b/c", "slak:// is no service that Apprise knows; did you mean slack://?"),
    ],
)
async def test_an_unknown_parameter_is_said_without_a_value(url: str, said: str) -> None:
    ((found, _weak),) = await validate([url])
    assert found is not None
    assert found.startswith(said)
    assert "hush" not in found.lower()


@pytest.mark.parametrize(
    "url",
    [
        f"{MAIL}&password=hush%3B34&cc=d@e.example&name=Joe&format=html&overflow=split&retry=2",
        "json://localhost/path?+X-Team=b&-q=1&:k=v&format=markdown&method=put",
        "tgram://123456789:AABBCCDDEEFFaabbccddeeff-11223344556/12315544/?silent=yes&tz=UTC",
        "https://discord.com/api/webhooks/1234567890/abcdefgh?wait=true",
        "json://localhost?&&",
    ],
)
async def test_what_apprise_knows_passes(url: str) -> None:
    ((found, _weak),) = await validate([url])
    assert found is None
