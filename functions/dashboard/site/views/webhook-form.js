// Making a webhook, and changing one.
import { changeWebhook as change, createWebhook, viewCatalogue, viewConfiguration, viewWebhook } from '../api.js';
import { brief, code, h } from '../dom.js';
import { field, form, Mistake, schedule, select, value, written } from '../forms.js';
import { empty, facts, head, link, step, taken, toast } from '../parts.js';
import { noConfiguration } from './overview.js';
import { showSecretOf } from './webhook.js';

/** @import { View } from '../app.js' */
/** @import { Webhook, WebhookChange } from '../types/api' */

/** @type {View} */
export async function newWebhook({ signal, go, query }) {
    const configuration = await viewConfiguration(signal);
    const title = 'New webhook';
    if (!configuration) return { title, content: [head(title), noConfiguration()] };
    const allowed = configuration.ipAllowlist.length > 0;
    if (!allowed && query.get('kind') !== 'pull') {
        const what = 'The allowlist is empty. A webhook needs at least one address that events may be sent to, or your program fetches them.';
        return {
            title,
            content: [head(title), empty(what, [step('allowlist', '#/configuration', 'Add an address', 'primary'),
                step('pull', '#/webhooks/new?kind=pull', 'Fetch events instead')])],
        };
    }
    const names = await eventNames(configuration.type ?? 'generic');
    const common = commonFields(null);
    const sent = h('div', null, callbackField(''), sendingFields(null));
    const kind = select([...(allowed ? [/** @type {[string, string]} */ (['push', 'Sent to my address'])] : []), ['pull', 'Fetched by my program']],
        query.get('kind'), { onchange: () => { sent.hidden = kind.value === 'pull'; } });
    sent.hidden = kind.value === 'pull';
    return {
        title,
        content: [
            head(title, { above: link('#/', 'Overview') }),
            form('webhook', [
                field({
                    name: 'kind', label: 'How events arrive', hint: 'A program fetches them where no address can be reached from outside: by POST …/pull, or with tenday listen.',
                    control: kind,
                }),
                field({
                    name: 'eventName', label: 'Event', hint: 'What the webhook is for. It cannot be changed later.',
                    control: select([['', 'All events'], ...names], query.get('eventName') ?? ''),
                }),
                sent,
                ...common,
            ], { submit: 'Create the webhook', action: 'save', beside: step('cancel', '#/', 'Cancel') }, async (element) => {
                const eventName = value(element, 'eventName');
                const headers = headersOf(element);
                const { webhook } = await createWebhook({
                    ...(value(element, 'kind') === 'pull' ? { kind: 'pull' } : sending(element)),
                    ...(eventName ? { eventName } : {}),
                    ...(headers ? { headers } : {}),
                });
                if (signal.aborted) return;
                showSecretOf(webhook.id, webhook.secret);
                go(`#/webhooks/${webhook.id}`);
            }),
        ],
    };
}

/** @type {View} */
export async function changeWebhook({ parameter: id, signal, go }) {
    const webhook = await viewWebhook(id, signal);
    const here = `#/webhooks/${webhook.id}`;
    const title = 'Change the webhook';
    return {
        title,
        content: [
            head(title, { above: link(here, 'The webhook'), below: code(webhook.id) }),
            facts([['Events', taken(webhook)]]),
            form('webhook', [...(webhook.kind === 'pull' ? [] : [callbackField(webhook.callbackURL), ...sendingFields(webhook)]), ...commonFields(webhook)],
                { submit: 'Save', action: 'save', beside: step('cancel', here, 'Cancel') }, async (element) => {
                    const changed = changes(element, webhook);
                    if (!Object.keys(changed).length) throw new Mistake('callbackURL', 'Nothing is changed yet.');
                    await change(webhook.id, changed);
                    toast('The webhook is changed.');
                    if (!signal.aborted) go(here);
                }),
        ],
    };
}

/** The names of a type, and what stands before their full stop: it takes all of them.
 * @param {string} type @returns {Promise<[string, string][]>} */
export async function eventNames(type) {
    const { types } = await viewCatalogue();
    const names = [...new Set((types[type] ?? []).map(({ eventName }) => eventName))];
    // A name in small letters is MoneyKit's, and has no kind.
    const kinds = [...new Set(names.filter((name) => /^[A-Z_]+\./.test(name)).map((name) => name.split('.')[0]))];
    return [
        ...kinds.filter((kind) => !names.includes(kind)).map((kind) => /** @type {[string, string]} */ ([kind, `${kind}: all of them`])),
        ...names.map((name) => /** @type {[string, string]} */ (
            [name, names.some((other) => other.startsWith(`${name}.`)) ? `${name}, and all of its kind` : name])),
    ];
}

/** @param {string} url */
function callbackField(url) {
    return field({
        name: 'callbackURL', label: 'Callback URL', hint: 'Where events are sent by POST: https, with a host whose addresses are in the allowlist.',
        control: h('input', {
            type: 'url', inputmode: 'url', maxlength: 2048, required: true, value: url, spellcheck: 'false', placeholder: 'https://example.com/webhooks',
        }),
    });
}

/** What only a webhook has whose events are sent.
 * @param {Webhook | null} webhook */
function sendingFields(webhook) {
    return [
        field({
            name: 'retrySchedule', label: 'Retries', hint: "Delays after each failure: 30s, 5m, 1h. Empty: as the configuration's.",
            control: h('input', { value: written(webhook?.retrySchedule), spellcheck: 'false', placeholder: '5m, 5m, 5m' }),
        }),
        field({
            name: 'rateLimit', label: 'Attempts a second', hint: 'At most, from 1 to 1,000. Empty: no limit of its own.',
            control: h('input', { inputmode: 'numeric', value: webhook?.rateLimit ?? '', class: 'narrow' }),
        }),
    ];
}

/** Where a new webhook's events are sent, and how.
 * @param {HTMLFormElement} element */
function sending(element) {
    const rate = rateOf(element);
    const retries = schedule(value(element, 'retrySchedule'), 'retrySchedule');
    return {
        callbackURL: value(element, 'callbackURL'),
        ...(retries ? { retrySchedule: retries } : {}),
        ...(rate ? { rateLimit: rate } : {}),
    };
}

/** @param {Webhook | null} webhook */
function commonFields(webhook) {
    const names = Object.keys(webhook?.headers ?? {});
    const headers = field({
        name: 'headers', label: names.length ? 'New headers' : 'Headers',
        hint: 'Added to every event, one in a line as name: value, ten at most. Values are never shown again.',
        control: h('textarea', { rows: 3, spellcheck: 'false', placeholder: 'Authorization: Bearer …' }),
    });
    headers.hidden = names.length > 0;
    const replace = h('input', { type: 'checkbox', name: 'replaceHeaders', onchange: () => { headers.hidden = !replace.checked; } });
    return [
        names.length ? h('div', { class: 'field' },
            h('p', { class: 'label' }, 'Headers'),
            h('p', { class: 'hint' }, 'Set: ', names.map((name, i) => [i ? ', ' : '', h('code', null, brief(name, 60))]), '. Their values are not shown.'),
            h('label', { class: 'check' }, replace, ' Replace all of them')) : null,
        headers,
    ];
}

/** @param {HTMLFormElement} element */
function rateOf(element) {
    const text = value(element, 'rateLimit');
    if (!text) return null;
    if (!/^\d+$/.test(text)) throw new Mistake('rateLimit', 'A whole number from 1 to 1,000.');
    return Number(text);
}

/** @param {HTMLFormElement} element @returns {Record<string, string> | null} */
function headersOf(element) {
    const lines = value(element, 'headers').split('\n').map((line) => line.trim()).filter(Boolean);
    if (!lines.length) return null;
    const pairs = lines.map((line) => {
        const colon = line.indexOf(':');
        if (colon < 1) throw new Mistake('headers', `“${line.slice(0, 60)}” is not a header. Write name: value.`);
        return [line.slice(0, colon).trim(), line.slice(colon + 1).trim()];
    });
    const twice = pairs.find(([name], i) => pairs.findIndex(([other]) => other.toLowerCase() === name.toLowerCase()) < i);
    if (twice) throw new Mistake('headers', `“${twice[0]}” is there twice.`);
    return Object.fromEntries(pairs);
}

/** What differs from the webhook as it is.
 * @param {HTMLFormElement} element @param {Webhook} webhook */
function changes(element, webhook) {
    /** @type {WebhookChange} */
    const changed = {};
    const url = value(element, 'callbackURL');
    if (url && url !== webhook.callbackURL) changed.callbackURL = url;
    const retries = schedule(value(element, 'retrySchedule'), 'retrySchedule');
    if (String(retries) !== String(webhook.retrySchedule ?? null)) changed.retrySchedule = retries;
    const rate = rateOf(element);
    if (rate !== (webhook.rateLimit ?? null)) changed.rateLimit = rate;
    const replace = element.elements.namedItem('replaceHeaders');
    if (!(replace instanceof HTMLInputElement) || replace.checked) {
        const headers = headersOf(element);
        if (headers || webhook.headers) changed.headers = headers;
    }
    return changed;
}
