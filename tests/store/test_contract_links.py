"""Every store: the keys of links in messages, with who changed them."""

from __future__ import annotations

from tests.support.make import acted
from watcher.store import Store


async def test_keys_are_made_once_and_stay(store: Store) -> None:
    (key,) = await store.link_keys()
    assert len(key) == 32
    assert await store.link_keys() == (key,)
    assert key != await store.key()


async def test_a_renewed_key_keeps_the_one_before_and_no_other(store: Store) -> None:
    (first,) = await store.link_keys()
    await store.renew_link_key(acted(5, "renew links"), keep=True)
    second, *rest = await store.link_keys()
    assert rest == [first]
    await store.renew_link_key(acted(6, "renew links"), keep=True)
    third, *rest = await store.link_keys()
    assert rest == [second]
    await store.renew_link_key(acted(7, "revoke links"), keep=False)
    (last,) = await store.link_keys()
    assert len({first, second, third, last}) == 4
    done = [one.action.what for one in await store.actions()]
    assert done == ["revoke links", "renew links", "renew links"]


async def test_a_key_is_revoked_before_any_was_asked_for(store: Store) -> None:
    await store.renew_link_key(acted(5, "revoke links"), keep=False)
    (key,) = await store.link_keys()
    assert len(key) == 32
