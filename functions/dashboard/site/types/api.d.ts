// The names that the site's modules use for what the API says, and the shape of catalogue.json, which the build makes.
import type { components, operations } from './openapi';

type Schemas = components['schemas'];

/** What an operation answers when it does what was asked. */
export type Answer<O extends keyof operations> = operations[O]['responses'] extends infer R
    ? R extends { 200: { content: { 'application/json': infer A } } } ? A
    : R extends { 201: { content: { 'application/json': infer A } } } ? A
    : R extends { 202: { content: { 'application/json': infer A } } } ? A
    : never
    : never;

export type Moment = Schemas['Date'];
export type Configuration = Schemas['Configuration'];
export type NewConfiguration = Schemas['NewConfiguration'];
export type ConfigurationChange = Schemas['ConfigurationChange'];
export type Webhook = Schemas['Webhook'] & { nextAttemptTime?: Moment | null };
export type NewWebhook = Schemas['NewWebhook'];
export type WebhookChange = Schemas['WebhookChange'];
export type WebhookList = { webhooks?: Webhook[]; metadata: Schemas['Metadata'] };
export type Event = Schemas['Event'];
export type EventList = Schemas['EventList'];
export type SentRequest = { method: string; url: string; headers: { name: string; value: string }[]; body: string };
export type EventInFull = Schemas['EventInFull'] & { request?: SentRequest | null };
export type Attempt = Schemas['Attempt'];
export type Reattempted = Schemas['ReattemptResponse'];
export type AllReattempted = Schemas['AllReattempted'];
export type Job = Schemas['JobState'];
export type ValidationError = Schemas['ValidationError'];
export type TokenAnswer = Schemas['TokenResponse'];

export type Deletion = Schemas['Deletion'];
export type DeletionList = Schemas['DeletionList'];

export type AddressCheck = {
    host: string;
    addresses: { address: string; allowed: boolean; reason: string | null }[];
    ok: boolean;
    allowlistEntries: string[];
    error: string | null;
};
export type Example = Schemas['SentExample'];

export type Type = 'generic' | 'plaid' | 'mx' | 'yodlee';
export type CatalogueEvent = { eventName: string; update?: string; summary: string; schema: Schema; example?: unknown };
export type Catalogue = {
    types: Record<string, CatalogueEvent[]>;
    errors: Record<string, { status: number; means: string; do: string }>;
};
/** As much of JSON Schema as the catalogue's schemas say. */
export type Schema = {
    type?: string | string[];
    description?: string;
    properties?: Record<string, Schema>;
    required?: string[];
    items?: Schema;
    enum?: unknown[];
    const?: unknown;
    format?: string;
    oneOf?: Schema[];
    anyOf?: Schema[];
    allOf?: Schema[];
    [keyword: string]: unknown;
};
