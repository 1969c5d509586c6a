"""Values of secrets and addresses that are obviously not what was meant."""

from __future__ import annotations

import pytest

from watcher.settings.oddities import oddity


@pytest.mark.parametrize(
    ("key", "value", "beginning"),
    [
        ("token", '"abc"', "has quotes around it"),
        ("secret", "“abc”", "has quotes around it"),
        ("token", "abc\r", "has a line break at one of its ends"),
        ("url", "https://hooks.slack.com/services/T1/B2/x3\r", "has a line break"),
        ("token", "\u00a0abc", "has white space"),
        ("token", " abc", "has white space"),
        ("token", "<your token>", "still has a placeholder"),
        ("url", "slack://<token-a>/<token-b>/c", "still has a placeholder"),
        ("token", "$CHATWOOT_TOKEN", "has the name of a variable left over"),
        ("url", "mailto://$USER:$PASS@mail.example.com", "has the name of a variable left over"),
        ("headers", "Bearer ${TOKEN}", "has the name of a variable left over"),
        ("url", "slack://a/b/c, mailto://d@e.f", "holds several URLs"),
        ("url", "json://a json://b", "holds several URLs"),
        ("urls", "mailto://user:hun@Secret@host?from=a@b.c", "has more than one @"),
        ("url", "mailto://user:hun/Secret@host?from=a@b.c", "has no @ before its first / or ?"),
        ("url", "mailtos://user:hun?Secret@host", "has no @ before its first / or ?"),
        ("proxy", "http://user:hun@Secret@proxy:3128", "has more than one @"),
        ("base_url", "https://<your host>", "still has a placeholder"),
        ("base_url", "https://a.example, https://b.example", "holds several URLs"),
        ("secrets", "'whsec_abc'", "has quotes around it"),
        ("client_key_password", "$KEY_PASSWORD", "has the name of a variable left over"),
    ],
)
def test_what_is_obviously_not_meant_is_said(key: str, value: str, beginning: str) -> None:
    found = oddity(key, value)
    assert found is not None
    assert found[0].startswith(beginning)
    assert value.strip() not in " ".join(found)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("token", "pit-1234-abcd"),
        ("token", "pa$$word"),
        ("secret", "a<b"),
        ("secret", "it's"),
        ("token", "x$y"),
        ("url", "mailto://user%40corp:p%40ss@host?from=a@b.c&to=d@e.f"),
        ("url", "json://user:pa$word@host/?redirect=https://example.com"),
        ("url", "mailtos://user:pass@host/a@b.c/d@e.f"),
        ("headers", "Basic dXNlcjpwYXNz=="),
        ("token", ""),
        ("url", "mailto://mail.example.com:587/a@b.c?user=d"),
        ("url", "tgram://123456789:AABBCC/@channel"),
        ("url", "vonage://key:secret/15551234567/15557654321"),
        ("proxy", "environment"),
        ("base_url", "http://127.0.0.1:3000/api"),
    ],
)
def test_what_may_be_meant_passes(key: str, value: str) -> None:
    assert oddity(key, value) is None
