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
/** With what stands in the address's place, if it has none. */
export type Webhook = Schemas['Webhook'] & { callbackURL: string };
export type NewWebhook = Schemas['NewWebhook'];
export type WebhookChange = Schemas['WebhookChange'];
export type WebhookList = Omit<Schemas['WebhookList'], 'webhooks'> & { webhooks?: Webhook[] };
export type Event = Schemas['Event'];
export type EventList = Schemas['EventList'];
export type EventInFull = Schemas['EventInFull'];
export type Attempt = Schemas['Attempt'];
export type Reattempted = Schemas['ReattemptResponse'];
export type AllReattempted = Schemas['AllReattempted'];
export type Job = Schemas['JobState'];
export type ValidationError = Schemas['ValidationError'];
export type TokenAnswer = Schemas['TokenResponse'];

export type Deletion = Schemas['Deletion'];
export type DeletionList = Schemas['DeletionList'];

export type AddressCheck = Schemas['AddressCheck'];
export type Example = Schemas['SentExample'];

/** Words for every one of a set, which the compiler counts, and perhaps for one that came later. */
export type Words<K extends string> = Record<K, string> & Record<string, string>;
export type Type = 'generic' | Exclude<Schemas['Type'], null>;
export type Outcome = Schemas['OutcomeClass'];
export type DropReason = Schemas['DropReason'];
export type State = Schemas['WebhookStatus'] | Schemas['EventStatus'];
export type DateFormat = Schemas['DateFormat'];
export type JobStatus = Schemas['JobStatus'];
export type AddressReason = Schemas['AddressReason'];
export type LinkEvent = Exclude<Schemas['TestEvent'], 'product.state_changed'>;

export type CatalogueEvent = { eventName: string; update?: string; summary: string; schema: Schema; example?: unknown };
export type Catalogue = {
    types: Record<string, CatalogueEvent[]>;
    errors: Record<string, { do: string }>;
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
