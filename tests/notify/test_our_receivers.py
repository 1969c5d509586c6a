"""Our own receivers obey the laws for plug-ins."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from urllib.parse import urlsplit

import anyio

from watcher.notify import Notifier
from watcher.notify.apprise import AppriseNotifier
from watcher.notify.webhook import WebhookReceiver
from watcher.testing import ReceiverSuite, real_network

SIGNING = "whsec_" + base64.b64encode(b"a secret of tests, 32 bytes long").decode()


class TestWebhook(ReceiverSuite):
    secrets = (SIGNING, "header-secret/+&\"'<", "/hooks/path-secret%2F1", "key=query-secret%26")
    path = "/hooks/path-secret%2F1?key=query-secret%26"

    def notifier(self, url: str) -> Notifier:
        receiver = WebhookReceiver.model_validate(
            {
                "name": "crm",
                "type": "webhook",
                "url": url,
                "secret": SIGNING,
                "headers": {"X-Team": self.secrets[1]},
                "timeout": "3s",
            }
        )
        return receiver.plan(real_network(*self.secrets[:2])).notifier


class TestApprise(ReceiverSuite):
    secrets = ("path-secret%2F1", "header-secret", "user-secret", "password-secret")
    reads_retry_after = False  # Apprise shows no headers
    follows_redirects = True
    patience = 30.0

    def notifier(self, url: str) -> Notifier:
        host = urlsplit(url).netloc
        address = f"json://user-secret:password-secret@{host}/path-secret%2F1?+X-Auth=header-secret"

        def urls() -> Sequence[str]:
            return [address]

        return AppriseNotifier(urls, "team", anyio.CapacityLimiter(2), deadline=4.0)
