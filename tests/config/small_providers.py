"""Small providers for the tests of the configuration: settings of their own, and nothing more."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from watcher.config.discovery import PluginUnusable, ProviderLoader
from watcher.providers import (
    Budget,
    Motion,
    Page,
    Position,
    Provider,
    ProviderSettings,
    Request,
    Response,
)


class Small(Provider):
    """Everything that a provider must have; nobody asks it for a walk here."""

    @property
    def account(self) -> str:
        return "one"

    @property
    def budget(self) -> Budget:
        return Budget(self.settings.base_url, requests=10, per=10)

    def start(self, motion: Motion) -> Position:
        raise AssertionError

    def request(self, position: Position) -> Request:
        raise AssertionError

    def parse(self, position: Position, response: Response) -> Page:
        raise AssertionError


class Login(BaseModel):
    model_config = ConfigDict(extra="forbid")

    user: str
    pin: int = Field(default=0, repr=False)


class DeskSettings(ProviderSettings):
    base_url: str = Field(pattern=r"^https?://[^/?#\s]+[^?#\s]*$")
    account_id: int = Field(ge=1)
    mode: Literal["fast", "slow"] = "fast"
    hidden: str = Field(default="", repr=False, max_length=5)
    teams: tuple[int, ...] = ()
    login: Login | None = None
    either: int | Literal["all"] = "all"
    loud: str = ""

    @field_validator("loud", "token")
    @classmethod
    def quote_what_is_wrong(cls, value: str) -> str:
        """Do what a stranger's provider may do: put the value into its message."""
        if value.startswith("wrong"):
            raise ValueError(f"{value} is wrong")
        return value


class Desk(Small):
    """With required settings of all kinds."""

    settings_model = DeskSettings


class PlainSettings(ProviderSettings):
    base_url: str = Field(
        default="https://plain.example.com", pattern=r"^https?://[^/?#\s]+[^?#\s]*$"
    )


class Plain(Small):
    """With a token alone, and two id sets."""

    settings_model = PlainSettings
    sets = ("unread", "unassigned")


class RudeSettings(ProviderSettings):
    base_url: str = "https://rude.example.com"

    @field_validator("token")
    @classmethod
    def fail(cls, value: str) -> str:
        raise RuntimeError(f"cannot bear {value}")


class Rude(Small):
    """Whose own check fails with something that pydantic does not catch."""

    settings_model = RudeSettings


class Mute(Small):
    """Whose class fails."""

    settings_model = PlainSettings

    @property
    def budget(self) -> Budget:
        raise RuntimeError(self.settings.token)


def broken() -> Any:
    raise PluginUnusable("the provider `broken` cannot be imported", "mend it")


PROVIDERS: dict[str, ProviderLoader] = {
    "desk": lambda: Desk,
    "plain": lambda: Plain,
    "rude": lambda: Rude,
    "mute": lambda: Mute,
    "broken": broken,
}
