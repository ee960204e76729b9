// A developer's receiver in JavaScript: takes deliveries over HTTP, and says what the official Standard Webhooks library
// and `jose` make of them. verify.py starts it, reads its standard output and asks on its standard input, a JSON object
// per line either way:
//
//   > {"port": 40123}                                          once, when it listens
//   > {"delivery": {"headers": {…}, "body": "<base64>"}}       whenever something was delivered
//   < {"ask": "webhook", "headers": {…}, "body": "<base64>", "secret": "whsec_…"}
//   < {"ask": "token", "token": "…", "issuer": "https://…" or null, "jwks": "http://…"}
//   < {"ask": "teller" or "finicity", "headers": {…}, "body": "<base64>", "secret": "whsec_…"}
//   < {"ask": "plaid", "client": {"url": "…", "id": "…", "secret": "…"}, "method": "itemWebhookUpdate", "request": {…}}
//   < {"ask": "plaidVerify", "client": {…}, "token": "…", "body": "<base64>"}
//   > {"accepted": <payload or claims>}  or  {"refused": "<the library's reason>"}
//
// Teller and Mastercard have no library for their signatures: both checks follow the steps of their pages, with the secret
// as the text that it is.
//
// It ends with its standard input, so that nothing is left behind by a verify.py that was killed.

import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import { createServer } from "node:http";
import { createInterface } from "node:readline";

import { createRemoteJWKSet, decodeProtectedHeader, errors, importJWK, jwtVerify } from "jose";
import { Configuration, PlaidApi } from "plaid";
import { Webhook, WebhookVerificationError } from "standardwebhooks";

const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

const server = createServer(async (request, response) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  say({ delivery: { headers: request.headers, body: Buffer.concat(chunks).toString("base64") } });
  response.writeHead(204).end();
});
server.listen(0, "127.0.0.1", () => say({ port: server.address().port }));

const keySets = new Map();

const right = (secret, signed, given) => {
  const expected = createHmac("sha256", secret).update(signed).digest();
  const found = Buffer.from(given, "hex");
  return found.length === expected.length && timingSafeEqual(found, expected);
};

class Refused extends Error {}

// A call of Plaid's own library, of which only the base URL is changed.
const plaid = async ({ url, id, secret }, method, request) => {
  const headers = { "PLAID-CLIENT-ID": id, "PLAID-SECRET": secret };
  const api = new PlaidApi(new Configuration({ basePath: url, baseOptions: { headers, proxy: false } }));
  try {
    return (await api[method](request)).data;
  } catch (error) {
    if (!error.response) throw error;
    throw new Refused(error.response.data.error_code);
  }
};

const plaidKeys = new Map();

const asks = {
  teller: ({ headers, body, secret }) => {
    const parts = headers["teller-signature"].split(",").map((part) => part.split("="));
    const time = parts.find(([name]) => name === "t")[1];
    if (Date.now() / 1000 - Number(time) > 180) throw new Refused("too old");
    const raw = Buffer.from(body, "base64");
    const signed = Buffer.concat([Buffer.from(`${time}.`), raw]);
    const values = parts.filter(([name]) => name === "v1").map(([, value]) => value);
    if (!values.some((value) => right(secret, signed, value))) throw new Refused("no v1 is right");
    return JSON.parse(raw);
  },
  finicity: ({ headers, body, secret }) => {
    const raw = Buffer.from(body, "base64");
    const given = headers["x-finicity-signature"] ?? headers["event-signature"];
    if (!right(secret, raw, given)) throw new Refused("the signature is another");
    return JSON.parse(raw);
  },
  webhook: ({ headers, body, secret }) => new Webhook(secret).verify(Buffer.from(body, "base64"), headers),
  token: async ({ token, issuer, jwks }) => {
    // Kept, as a receiver keeps it: it is fetched again only for a key that it does not know.
    if (!keySets.has(jwks)) keySets.set(jwks, createRemoteJWKSet(new URL(jwks)));
    const options = { algorithms: ["ES256"], maxTokenAge: "5m", clockTolerance: "5m", ...(issuer && { issuer }) };
    return (await jwtVerify(token, keySets.get(jwks), options)).payload;
  },
  plaid: ({ client, method, request }) => plaid(client, method, request),
  // Plaid's documented steps.
  plaidVerify: async ({ client, token, body }) => {
    const { alg, kid } = decodeProtectedHeader(token);
    if (alg !== "ES256") throw new Refused("another algorithm");
    if (!plaidKeys.has(kid)) {
      plaidKeys.set(kid, (await plaid(client, "webhookVerificationKeyGet", { key_id: kid })).key);
    }
    const key = plaidKeys.get(kid);
    if (key.expired_at !== null) throw new Refused("an expired key");
    // The clock of the run is moved ahead.
    const options = { algorithms: ["ES256"], maxTokenAge: "5m", clockTolerance: "5m" };
    const { payload } = await jwtVerify(token, await importJWK(key, "ES256"), options);
    const hash = createHash("sha256").update(Buffer.from(body, "base64")).digest();
    if (!timingSafeEqual(hash, Buffer.from(payload.request_body_sha256, "hex"))) throw new Refused("another body");
    return payload;
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const { ask, ...question } = JSON.parse(line);
  try {
    say({ accepted: await asks[ask](question) });
  } catch (error) {
    // Anything else is not a refusal, and ends this process with its own words.
    const refusals = [WebhookVerificationError, errors.JOSEError, Refused];
    if (!refusals.some((refusal) => error instanceof refusal)) throw error;
    say({ refused: error instanceof Refused ? error.message : `${error.name}: ${error.message}` });
  }
}
process.exit(0);
