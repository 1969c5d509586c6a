"""Receives the events of inbox-watcher: verified, kept once, answered at once.

    pip install standardwebhooks
    CRM_WEBHOOK_SECRET=whsec_… PORT=3000 python receiver.py

An event is a row of `inbox.db`, named by its webhook-id: a repeat finds it there and is dropped, also
after a restart. Work is done after the answer, in the order in which the events came.
"""

import json
import os
import sqlite3
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

LARGEST = 1_000_000  # bytes
webhook = Webhook(os.environ["CRM_WEBHOOK_SECRET"])
arrived = threading.Event()


def work(event):
    """What to do with an event. If it raises, it is tried again later."""
    print(event["type"], event.get("subject", ""), event["id"], flush=True)


def inbox():
    connection = sqlite3.connect(os.environ.get("INBOX", "inbox.db"), timeout=5)
    connection.execute(
        "CREATE TABLE IF NOT EXISTS inbox (id TEXT PRIMARY KEY, body BLOB, done INTEGER DEFAULT 0)"
    )
    return connection


class Receiver(BaseHTTPRequestHandler):
    timeout = 10  # seconds for a request that does not come to its end

    def do_POST(self):
        self.send_response(self.receive())
        self.send_header("content-length", "0")
        self.end_headers()

    def receive(self):
        length = int(self.headers.get("content-length", 0))
        if length > LARGEST:
            return 413
        body = self.rfile.read(length)  # as it came: the signature is over these bytes
        try:
            webhook.verify(body, dict(self.headers))  # compares in constant time
        except WebhookVerificationError:
            return 401
        connection = inbox()
        try:
            with connection:  # on disk before the request is answered
                row = (self.headers["webhook-id"], body)
                connection.execute("INSERT OR IGNORE INTO inbox (id, body) VALUES (?, ?)", row)
        except sqlite3.Error:
            return 500  # tried again by the watcher, so nothing is lost while the disk is full
        finally:
            connection.close()
        arrived.set()
        return 204

    def log_message(self, *_):
        pass


def work_off():
    connection = inbox()
    while True:
        arrived.clear()
        rows = connection.execute("SELECT id, body FROM inbox WHERE NOT done ORDER BY rowid")
        for id_, body in rows.fetchall():
            try:
                work(json.loads(body))
            except Exception as error:
                print("failed:", id_, error, flush=True)
                break  # what comes after it waits, so that the order is kept
            with connection:
                connection.execute("UPDATE inbox SET done = 1 WHERE id = ?", (id_,))
        arrived.wait(60)


if __name__ == "__main__":
    threading.Thread(target=work_off, daemon=True).start()
    with ThreadingHTTPServer(
        ("127.0.0.1", int(os.environ.get("PORT", "3000"))), Receiver
    ) as server:
        print(f"listening on {server.server_port}", flush=True)
        server.serve_forever()
