"""What is learned about a server: facts belong to the version that showed them.

Rules: pure. Nothing depends on a version being told: a server, or a proxy in front of it, may hide it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from watcher.pipeline.schema_drift import MISSING
from watcher.providers import VERSION

__all__ = ["LONGEST_VERSION", "learn", "told_version"]

LONGEST_VERSION = 40
"""Characters of a version; what is longer is none."""


def told_version(learned: Mapping[str, Any]) -> str | None:
    """Return the server's version, None where it has not told one that can be shown."""
    version = learned.get(VERSION)
    if not isinstance(version, str) or not version.isprintable():
        return None
    return version if 0 < len(version) <= LONGEST_VERSION else None


def learn(learned: Mapping[str, Any], told: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what is known of a server after a page told more; the same object if that is no news.

    Another version may have other abilities: what the former one showed is found out anew. An answer
    without a version tells nothing about it: the last one stands.
    """
    version = told_version(told)
    news = {key: value for key, value in told.items() if key != VERSION}
    if version is not None:
        news[VERSION] = version
    if all(learned.get(key) == value for key, value in news.items()):
        return learned
    if version is None or version == told_version(learned):
        return {**learned, **news}
    return {**{key: learned[key] for key in (MISSING,) if key in learned}, **news}
