// The only module that fetches. One function for each operation of the API that the pages need; what goes in and comes out
// is typed by the contract.
import * as session from './session.js';

/**
 * @import {
 *   AddressCheck, AllReattempted, Answer, Catalogue, Configuration, ConfigurationChange, Deletion, DeletionList, EventInFull,
 *   EventList, Example, Job, NewConfiguration, NewWebhook, Reattempted, TokenAnswer, ValidationError, Webhook, WebhookChange,
 *   WebhookList,
 * } from './types/api'
 */

/** @typedef {{ body?: unknown, query?: Record<string, string | null | undefined>, signal?: AbortSignal }} Options */

/** What the API, or the way to it, had against a request. */
export class ApiError extends Error {
    /**
     * @param {number} status 0 where there was no answer
     * @param {string} code
     * @param {string} message
     * @param {{ requestId?: string | null, fields?: ValidationError[] }} [more]
     */
    constructor(status, code, message, { requestId = null, fields = [] } = {}) {
        super(message);
        this.status = status;
        this.code = code;
        this.requestId = requestId;
        this.fields = fields;
    }
}

/** When the last answer came in, for the measure of how long drawing takes. */
export let answeredAt = 0;

/** Asks for a new sign-in; whether there is one, of the same developer. @type {() => Promise<boolean>} */
let renew = () => Promise.resolve(false);

/** @param {() => Promise<boolean>} ask */
export function whenExpired(ask) {
    renew = ask;
}

/** @param {Options['query']} query */
function search(query) {
    const set = Object.entries(query ?? {}).filter(([, value]) => value !== null && value !== undefined && value !== '');
    return set.length ? `?${new URLSearchParams(/** @type {[string, string][]} */ (set))}` : '';
}

/** @param {string} path @param {RequestInit} request @param {AbortSignal} [signal] */
async function send(path, request, signal) {
    const limit = AbortSignal.timeout(40_000);
    try {
        const response = await fetch(path, {
            ...request,
            signal: signal ? AbortSignal.any([signal, limit]) : limit,
            cache: 'no-store', credentials: 'omit', redirect: 'error', referrerPolicy: 'no-referrer',
        });
        const text = await response.text();
        answeredAt = performance.now();
        return { response, text };
    } catch (cause) {
        if (signal?.aborted) throw cause;
        throw new ApiError(0, 'no_answer', limit.aborted
            ? 'The API did not answer within 40 seconds. What was asked for may still happen: look before you ask again.'
            : 'The API cannot be reached. Check your connection, then try again.');
    }
}

/** @param {Response} response @param {any} body */
function failure(response, body) {
    const requestId = body?.request_id ?? response.headers.get('apigw-requestid');
    const message = body?.error_message ?? body?.error_description ?? body?.message ?? `The API answered with status ${response.status}.`;
    const wait = response.headers.get('retry-after');
    return new ApiError(response.status, String(body?.error_code ?? body?.error ?? `http_${response.status}`),
        wait ? `${message} Try again in ${wait} s.` : String(message), { requestId, fields: body?.validation_errors ?? [] });
}

/** @param {string} text */
function parse(text) {
    try {
        return text ? JSON.parse(text) : null;
    } catch {
        return null;
    }
}

/** @param {string} method @param {string} path @param {Options} [options] @returns {Promise<any>} */
async function call(method, path, { body, query, signal } = {}) {
    const asker = session.current()?.developer;
    for (;;) {
        const token = session.current()?.token ?? '';
        const { response, text } = await send(path + search(query), {
            method,
            headers: {
                authorization: `Bearer ${token}`,
                ...(body === undefined ? {} : { 'content-type': 'application/json' }),
            },
            body: body === undefined ? undefined : JSON.stringify(body),
        }, signal);
        // What somebody else asked, who was signed in before, is not answered to whoever is now.
        if (session.current()?.developer !== asker) throw new DOMException('another session', 'AbortError');
        const answer = parse(text);
        if (response.ok && answer !== null) return answer;
        const error = failure(response, answer);
        // Refused before anything was done, so that it can be sent again once somebody has signed in.
        const expired = response.status === 401 && error.code.startsWith('api_error.auth.');
        if (!expired) throw error;
        // Somebody may have signed in again while this was on its way.
        const now = session.current()?.token ?? '';
        const renewed = (now !== token && now !== '') || await renew();
        signal?.throwIfAborted();
        if (session.current()?.developer !== asker) throw new DOMException('another session', 'AbortError');
        if (!renewed) throw new ApiError(401, error.code, 'The session has ended, and nothing was changed. Sign in again, then try again.', error);
    }
}

/** A grant for a token: a client's credentials, or the code of a session link. They are sent in the body, as a form.
 * @param {Record<string, string>} grant @returns {Promise<TokenAnswer>} */
export async function getToken(grant) {
    const { response, text } = await send('/auth/token', { method: 'POST', body: new URLSearchParams(grant) });
    const answer = parse(text);
    if (response.ok && answer !== null) return answer;
    throw failure(response, answer);
}

/** @param {string} id */
const webhookPath = (id) => `/configuration/webhooks/${encodeURIComponent(id)}`;
const RETRIEVALS = '/configuration/webhooks/retrievals';

/** The configuration, or null where there is none yet.
 * @param {AbortSignal} [signal] @returns {Promise<Configuration | null>} */
export const viewConfiguration = (signal) =>
    unlessMissing(call('GET', '/configuration', { signal }).then((answer) => answer.configuration));

/** @param {NewConfiguration} body @returns {Promise<Answer<'createConfiguration'>>} */
export const createConfiguration = (body) => call('POST', '/configuration', { body });

/** @param {ConfigurationChange} body @returns {Promise<Answer<'changeConfiguration'>>} */
export const changeConfiguration = (body) => call('PATCH', '/configuration', { body });

/** @returns {Promise<Answer<'deleteConfiguration'>>} */
export const deleteConfiguration = () => call('DELETE', '/configuration');

/** @param {Deletion['kind']} kind @param {string} requestId @returns {Promise<unknown>} */
export const restore = (kind, requestId) =>
    call('POST', `${kind === 'webhook' ? '/configuration/webhooks' : '/configuration'}/restore/${encodeURIComponent(requestId)}`);

/** @param {AbortSignal} [signal] @returns {Promise<DeletionList>} */
export const listDeletions = (signal) => call('GET', '/configuration/deletions', { signal });

/** What a webhook is called whose events are fetched. */
export const FETCHED = 'Fetched (pull)';

/** One whose events are fetched has no address: that stands there instead.
 * @param {Webhook} webhook @returns {Webhook} */
const called = (webhook) => ({ ...webhook, callbackURL: webhook.callbackURL ?? FETCHED });

/** All webhooks, or null where there is no configuration.
 * @param {AbortSignal} [signal] @returns {Promise<WebhookList | null>} */
export const listWebhooks = (signal) => unlessMissing(call('GET', '/configuration/webhooks', { signal })).then((list) =>
    list && { ...list, webhooks: list.webhooks?.map(called) });

/** @param {string} id @param {AbortSignal} [signal] @returns {Promise<Webhook>} */
export const viewWebhook = (id, signal) => call('GET', webhookPath(id), { signal }).then((answer) => called(answer.webhook));

/** @param {NewWebhook} body @returns {Promise<Answer<'createWebhook'>>} */
export const createWebhook = (body) => call('POST', '/configuration/webhooks', { body });

/** @param {string} id @param {WebhookChange} body @returns {Promise<Answer<'changeWebhook'>>} */
export const changeWebhook = (id, body) => call('PATCH', webhookPath(id), { body });

/** @param {string} id @returns {Promise<Answer<'deleteWebhook'>>} */
export const deleteWebhook = (id) => call('DELETE', webhookPath(id));

/** @param {string} id @returns {Promise<Answer<'viewSecret'>>} */
export const viewSecret = (id) => call('GET', `${webhookPath(id)}/secret`);

/** @param {string} id @param {number} overlapSeconds @returns {Promise<Answer<'rotateSecret'>>} */
export const rotateSecret = (id, overlapSeconds) => call('POST', `${webhookPath(id)}/secret/rotate`, { body: { overlapSeconds } });

/** @param {string} id @returns {Promise<AddressCheck>} */
export const checkAddress = (id) => call('POST', `${webhookPath(id)}/check`);

/** @param {string} id @param {string} eventName @returns {Promise<Example>} */
export const sendExample = (id, eventName) => call('POST', `${webhookPath(id)}/examples`, { body: { eventName } });

/** @param {string} id @param {{ status?: string, cursor?: string | null }} query @param {AbortSignal} [signal]
 * @returns {Promise<EventList>} */
export const listEvents = (id, query, signal) => call('GET', `${webhookPath(id)}/events`, { query, signal });

/** @param {string} id @param {AbortSignal} [signal] @returns {Promise<EventInFull>} */
export const viewEvent = (id, signal) => call('GET', `/configuration/events/${encodeURIComponent(id)}`, { signal }).then((answer) => answer.event);

/** @typedef {{ webhookId?: string, eventName?: string, since?: string, until?: string }} Choice */

/** @param {Choice & { cursor?: string | null }} query @param {AbortSignal} [signal] @returns {Promise<EventList | null>} */
export const listDropped = (query, signal) => unlessMissing(call('GET', RETRIEVALS, { query, signal }));

/** @param {string} id @returns {Promise<Reattempted>} */
export const reattempt = (id) => call('POST', `${RETRIEVALS}/${encodeURIComponent(id)}`);

/** @param {Choice} query @returns {Promise<AllReattempted>} */
export const reattemptAll = (query) => call('POST', RETRIEVALS, { query });

/** @param {string} id @param {AbortSignal} [signal] @returns {Promise<Job>} */
export const viewJob = (id, signal) => call('GET', `${RETRIEVALS}/jobs/${encodeURIComponent(id)}`, { signal });

/** @param {string} link @param {string} event @param {string} key @returns {Promise<Answer<'testLinkEvent'>>} */
export const testLink = (link, event, key) =>
    call('POST', `/webhooks/test/link/${encodeURIComponent(link)}`, { body: { webhook_event: event, webhook_idempotency_key: key } });

/** @template T @param {Promise<T>} answer @returns {Promise<T | null>} */
function unlessMissing(answer) {
    return answer.catch((error) => {
        if (error instanceof ApiError && error.code === 'configuration_error.not_found') return null;
        throw error;
    });
}

/** @type {Promise<Catalogue> | null} */
let catalogue = null;

/** Every event of every type, a file beside this one: it never changes under its address, and is read once. */
export function viewCatalogue() {
    catalogue ??= fetch(new URL('catalogue.json', import.meta.url)).then((response) => {
        if (response.ok) return response.json();
        throw new Error(`status ${response.status}`);
    }).catch(() => {
        catalogue = null;
        throw new ApiError(0, 'no_answer', 'The catalogue of events could not be loaded. Reload the page.');
    });
    return catalogue;
}
