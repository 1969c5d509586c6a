"""How the tests of the configuration write and load one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.config.small_providers import PROVIDERS
from watcher.config.load import load
from watcher.config.model import Config
from watcher.errors import ConfigError

ENVIRON = {"TOKEN": "not-a-real-token", "SECRET": "whsec_bm90LWEtcmVhbC1zZWNyZXQtYXQtYWxs"}
SOURCE = "sources:\n  sales: {provider: plain, token: '${TOKEN}'}\n"

Write = Callable[..., Path]


def read(*paths: Path, environ: Mapping[str, str] = ENVIRON, **options: Any) -> Config:
    return load(paths, environ=environ, **{"providers": PROVIDERS, **options})


def refused(*paths: Path, **options: Any) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        read(*paths, **options)
    return [str(problem) for problem in caught.value.problems]


def warned(*paths: Path) -> list[str]:
    return [str(problem) for problem in read(*paths).warnings]
