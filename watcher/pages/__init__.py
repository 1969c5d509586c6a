"""The pages for people: server-rendered, over the functions of the API, whole without JavaScript.

Rules: a page asks routes of the API in process and hands their plain JSON to one template; it never reads
the store. What somebody may not see is left out where it is read, not here. An action is a form that is sent
to a path of the pages; it becomes one call of the API and leads back with a line of what happened. Nothing is
loaded before somebody visits.

To add a page: a module here with `async def show(visit)`, which returns what the template is given (beside
`visit`, `page`, `house`, `now`), and its `PAGES` and `FORMS`; its name in `table`; a template that extends
`layout.html` and has `{% block main %}` (macros are there as `ui`, see `macros.html`). It asks a route with
`visit.ask("/events", **visit.given("/events"))`; what that refuses becomes a page of its own. Sections with
`data-live` and an id are replaced while somebody looks; their rows have a `data-key`. `tests/pages/states.py`
has the addresses that the browser visits.

    PAGES = (Page("/silences", "viewer", "silences.html", "Silences", show, nav=True),)
    FORMS = (Form("/silences", "POST /silences", said="Silenced until it ends."),)
"""

from __future__ import annotations

from watcher.pages.application import create_pages

__all__ = ["create_pages"]
