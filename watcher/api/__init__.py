"""The API: one application, whatever door it is reached by (contract 6).

Rules: `routes` is the one table of what can be asked; checking, answers and `openapi.json` follow from it.
Reading goes through `watcher.archive`, acting through `watcher.control`. The door says who asks: whoever may
open the control socket is the operator, over TCP nobody has signed in and gets states and counts alone.
Imported when it is asked for the first time.
"""

from __future__ import annotations

from watcher.api.application import Backend, create_api

__all__ = ["Backend", "create_api"]
