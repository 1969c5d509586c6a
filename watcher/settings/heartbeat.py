"""`heartbeat`: whom the daemon tells, again and again, that it works, so that silence is noticed.

Rules: pure. The address is a secret in every output: whoever knows it may say that all is well.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field

from watcher.secrets import SecretText
from watcher.settings.base import Context, Mistake, wrong
from watcher.settings.link import LinkSettings
from watcher.settings.values import Duration, default_duration, is_bare_address, is_http_url, secret

__all__ = ["Heartbeat"]


def _check_url(value: str) -> None:
    if not is_http_url(value) or re.search(r"[^!-~]", value) or "#" in value:
        raise wrong(
            "is not an http:// or https:// URL",
            "write the address that the other side gives out, such as https://hc-ping.com/…",
        )


class Heartbeat(LinkSettings):
    """A dead man's switch: a GET again and again; where it stays out, the other side tells people."""

    url: Annotated[SecretText, secret(_check_url, url=True, bare=is_bare_address)] = Field(
        description="Where it goes, such as https://hc-ping.com/…; redirects are not followed."
    )
    every: Duration = default_duration(
        "1m", ge=timedelta(seconds=1), le=timedelta(days=1), description="How often."
    )
    when: Literal["ready", "alive"] = Field(
        default="ready",
        description="`ready`: while /readyz says so; `alive`: while /healthz does.",
    )
    fail: bool = Field(
        default=False,
        description="Where that is not so, POST to url/fail with the reason instead of nothing.",
    )

    def warnings(self, context: Context) -> Iterator[Mistake]:
        """Yield what makes the way to it weak."""
        yield from super().warnings(context)
        yield from self.weak_address("url", self.url.read())
