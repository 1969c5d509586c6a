// Receives the events of inbox-watcher: verified, kept once, answered at once.
//
//     npm install standardwebhooks
//     CRM_WEBHOOK_SECRET=whsec_… PORT=3000 node receiver.mjs
//
// An event is a file of the folder `inbox`, named by its webhook-id: a repeat finds it there and is
// dropped, also after a restart. Work is done after the answer; `.done` files mark what is finished.

import { randomUUID } from "node:crypto";
import { access, link, mkdir, open, readdir, readFile, unlink, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { join } from "node:path";
import { Webhook } from "standardwebhooks";

const LARGEST = 1_000_000; // bytes
const inbox = process.env.INBOX ?? "inbox";
const webhook = new Webhook(process.env.CRM_WEBHOOK_SECRET);

// What to do with an event. If it throws, it is tried again at the next start.
async function work(event) {
  console.log(event.type, event.subject ?? "", event.id);
}

// The body as it came, byte for byte: the signature is over it, not over what JSON makes of it.
async function read(request) {
  const chunks = [];
  let size = 0;
  for await (const chunk of request) {
    size += chunk.length;
    if (size > LARGEST) return null;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

// True if the event is new. It is completely on disk before the request is answered.
async function keep(id, body) {
  const draft = join(inbox, `.${randomUUID()}`);
  const file = await open(draft, "wx");
  await file.writeFile(body);
  await file.sync();
  await file.close();
  try {
    await link(draft, join(inbox, `${id}.json`)); // fails if it is there already
    return true;
  } catch (error) {
    if (error.code === "EEXIST") return false;
    throw error;
  } finally {
    await unlink(draft);
  }
}

async function finish(id) {
  const done = join(inbox, `${id}.done`);
  if (await access(done).then(() => true, () => false)) return;
  await work(JSON.parse(await readFile(join(inbox, `${id}.json`), "utf8")));
  await writeFile(done, "");
}

async function receive(request) {
  const body = await read(request);
  if (body === null) return 413;
  try {
    webhook.verify(body.toString("utf8"), request.headers); // compares in constant time
  } catch {
    return 401;
  }
  const id = request.headers["webhook-id"];
  if (!/^[\w-]{1,100}$/.test(id)) return 400; // it becomes the name of a file
  if (await keep(id, body)) setImmediate(() => finish(id).catch(console.error));
  return 204;
}

await mkdir(inbox, { recursive: true });
for (const name of (await readdir(inbox)).sort()) {
  if (/^[^.].*\.json$/.test(name)) await finish(name.slice(0, -5)).catch(console.error);
}
const server = createServer(async (request, response) => {
  // A 500 is tried again by the watcher, so nothing is lost while the disk is full.
  const status = await receive(request).catch((error) => (console.error(error), 500));
  response.writeHead(status, status === 413 ? { connection: "close" } : {}).end();
});
server.listen(Number(process.env.PORT ?? 3000), "127.0.0.1", () => {
  console.log(`listening on ${server.address().port}`);
});
