"""YAML as plain values, dates as the texts that they are in YAML 1.2."""

from __future__ import annotations

from typing import Any, ClassVar

import yaml

__all__ = ["plain_yaml"]


class _Loader(yaml.SafeLoader):
    yaml_implicit_resolvers: ClassVar[Any] = {
        first: [one for one in resolvers if one[0] != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


def plain_yaml(text: str) -> Any:
    """Read a document."""
    return yaml.load(text, _Loader)  # noqa: S506 - a SafeLoader
