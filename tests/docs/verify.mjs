// Reads a JSON list of {library, secret, headers, body}; writes for each whether the library accepts it.
import { readFileSync } from "node:fs";
import * as standardwebhooks from "standardwebhooks";
import * as svix from "svix";

const libraries = { standardwebhooks, svix };
const verdicts = JSON.parse(readFileSync(0, "utf8")).map(({ library, secret, headers, body }) => {
  const { Webhook, WebhookVerificationError } = libraries[library];
  try {
    return JSON.stringify(new Webhook(secret).verify(body, headers)) === JSON.stringify(JSON.parse(body));
  } catch (error) {
    if (error instanceof WebhookVerificationError) return false;
    throw error;
  }
});
process.stdout.write(JSON.stringify(verdicts));
