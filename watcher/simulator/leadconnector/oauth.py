"""HighLevel's OAuth tokens: an access token for a day, a refresh token for one use.

Rules: no wall clock. Facts are from HighLevel's authorization page: `expires_in` 86399, each refresh
returns a new refresh token and ends the old one.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from urllib.parse import parse_qs

__all__ = ["OAuth"]

LIFETIME = timedelta(seconds=86_399)


class OAuth:
    """One installation of an app at a location; `access` and `refresh_token` are the valid pair."""

    def __init__(
        self,
        location: str,
        issued: datetime,
        client_id: str = "app",
        secret: str = "simulated",  # noqa: S107 - opens nothing but this simulation
    ) -> None:
        self.location = location
        self.client_id = client_id
        self.secret = secret
        self._pairs = 0
        self._issue(issued)

    def admits(self, token: str, location: str, now: datetime) -> bool:
        """Return whether the access token opens the location now."""
        return token == self.access and location == self.location and now < self.expires

    def refresh(self, form: bytes, now: datetime) -> tuple[int, dict[str, object]]:
        """Answer `POST /oauth/token` with status and body; a used refresh token is dead."""
        given = {name: values[-1] for name, values in parse_qs(form.decode()).items()}
        wanted = {
            "client_id": self.client_id,
            "client_secret": self.secret,
            "grant_type": "refresh_token",
        }
        if any(given.get(name) != value for name, value in wanted.items()):
            return 401, {
                "error": "UnAuthorized!",
                "error_description": "Invalid client credentials",
            }
        if given.get("refresh_token") != self.refresh_token:
            return 400, {
                "error": "invalid_grant",
                "error_description": "This refresh token is invalid",
            }
        self._issue(now)
        return 200, {
            "access_token": self.access,
            "token_type": "Bearer",
            "expires_in": int(LIFETIME.total_seconds()),
            "refresh_token": self.refresh_token,
            "scope": "conversations.readonly",
            "userType": "Location",
            "locationId": self.location,
        }

    def _issue(self, now: datetime) -> None:
        self._pairs += 1
        self.access = f"access-{self.location}-{self._pairs}"
        self.refresh_token = f"refresh-{self.location}-{self._pairs}"
        self.expires = now + LIFETIME
