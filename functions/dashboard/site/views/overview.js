// The overview: in one glance what arrives, what does not, and why.
import { listWebhooks, viewConfiguration } from '../api.js';
import { append, brief, due, duration, h, number, when } from '../dom.js';
import { announce, badge, empty, eventLink, facts, head, link, section, step, table, taken } from '../parts.js';
import { can } from '../session.js';
import { DATE_FORMATS, DROPPED_BECAUSE, TYPES } from '../words.js';

/** @import { View } from '../app.js' */
/** @import { Configuration, Webhook, WebhookList } from '../types/api' */
/** @import { Children } from '../types/dom' */

/** What needs somebody comes first. */
const ORDER = { failing: 0, disabled: 1, active: 2 };

/** @type {View} */
export async function overview({ signal }) {
    const [configuration, list] = await Promise.all([viewConfiguration(signal), listWebhooks(signal)]);
    if (!configuration || !list) return { title: 'Overview', content: [head('Overview'), noConfiguration()] };
    const webhooks = list.webhooks ?? [];
    return {
        title: 'Overview',
        content: [
            head('Overview', {
                beside: configuration.name ? h('span', { class: 'quiet' }, brief(configuration.name, 200)) : null,
                actions: can('configuration:write') && configuration.ipAllowlist.length
                    ? step('create-webhook', '#/webhooks/new', 'New webhook', 'primary') : null,
            }),
            counts(webhooks, list.metadata),
            section('Webhooks', webhooks.length ? webhookTable(webhooks) : noWebhooks(configuration.ipAllowlist.length > 0)),
            h('div', { class: 'columns' },
                section('Latest dropped', latestDropped(list.metadata)),
                section('Configuration', settings(configuration))),
        ],
    };
}

export function noConfiguration() {
    return empty(can('configuration:write')
        ? 'There is no configuration yet. It says in which shape you get events, and to which addresses they may go; webhooks come after it.'
        : 'There is no configuration yet, and this session may only read. Somebody who may write has to make one.',
    can('configuration:write') ? step('create-configuration', '#/configuration/new', 'Create the configuration', 'primary') : null);
}

/** @param {boolean} mayHave */
function noWebhooks(mayHave) {
    if (!can('configuration:write')) return empty('No webhook subscribes to anything yet, so nothing is sent.');
    return mayHave
        ? empty('No webhook subscribes to anything yet, so nothing is sent.', step('create-webhook', '#/webhooks/new', 'Create the first webhook', 'primary'))
        : empty('The allowlist is empty: add the addresses of your servers, then create a webhook. A program that fetches its events needs none.', [
            step('allowlist', '#/configuration', 'Add an address', 'primary'),
            step('pull', '#/webhooks/new?kind=pull', 'Fetch events instead')]);
}

/** How many events are dropped, as far as that is counted.
 * @param {{ retrievalCount: number, moreRetrievals?: boolean }} counted */
function droppedOf({ retrievalCount, moreRetrievals }) {
    return `${retrievalCount}${moreRetrievals ? '+' : ''}`;
}

/** @param {Webhook[]} webhooks @param {WebhookList['metadata']} metadata */
function counts(webhooks, metadata) {
    /** @param {string} status */
    const of = (status) => webhooks.filter((webhook) => webhook.status === status).length;
    /** @param {string} status @param {string | number} count @param {Children} name */
    const figure = (status, count, name) => h('div', { class: 'figure', 'data-status': count ? status : 'none' }, h('dt', null, name), h('dd', null, count));
    return h('dl', { id: 'counts', class: 'figures' },
        figure('active', of('active'), 'active'),
        figure('failing', of('failing'), 'failing, put off'),
        figure('disabled', of('disabled'), 'disabled'),
        figure('dropped', metadata.retrievalCount ? droppedOf(metadata) : 0, link('#/dropped', 'events dropped')));
}

/** @param {Webhook[]} webhooks */
function webhookTable(webhooks) {
    const sorted = webhooks.toSorted((a, b) => ORDER[a.status] - ORDER[b.status]);
    const { element, body } = table({
        id: 'webhooks',
        caption: 'Webhooks, with those that need somebody first',
        columns: [
            'Callback', { name: 'Event', class: 'event' }, { name: 'Health', class: 'wide' }, { name: 'Last event', class: 'time' },
            { name: 'Dropped', class: 'number' },
        ],
        rows: sorted.map((webhook) => ({
            id: webhook.id,
            cells: [
                link(`#/webhooks/${webhook.id}`, brief(webhook.callbackURL, 120), { class: 'url' }),
                taken(webhook),
                health(webhook),
                when(webhook.lastEventTime),
                webhook.retrievalCount
                    ? link(`#/dropped?webhookId=${webhook.id}`, [droppedOf(webhook), h('span', { class: 'unseen' }, ' dropped')])
                    : h('span', { class: 'quiet' }, '0'),
            ],
        })),
    });
    return webhooks.length > 8 ? [finder(sorted, body), element] : element;
}

/** Finds among what is there: nothing is asked for.
 * @param {Webhook[]} webhooks @param {HTMLElement} body */
function finder(webhooks, body) {
    const rows = [...body.children].map((row, i) => {
        const { callbackURL, eventName, status, id } = webhooks[i];
        return { row: /** @type {HTMLElement} */ (row), text: `${callbackURL} ${eventName ?? 'all events'} ${status} ${id}`.toLowerCase() };
    });
    const find = h('input', {
        id: 'find', type: 'search', oninput: () => {
            const wanted = find.value.trim().toLowerCase();
            for (const { row, text } of rows) row.hidden = !text.includes(wanted);
            announce(number(rows.filter(({ row }) => !row.hidden).length, 'webhook'));
        },
    });
    return h('p', { class: 'find' }, h('label', { for: 'find' }, 'Find'), ' ', find);
}

/** @param {Webhook} webhook */
function health(webhook) {
    const error = webhook.errors[0];
    return h('div', { class: 'health' }, badge(webhook.status),
        webhook.status === 'failing' && webhook.nextAttemptTime ? h('small', null, 'put off until ', due(webhook.nextAttemptTime)) : null,
        webhook.status !== 'active' && error ? h('small', { class: 'quiet' }, brief(error.message, 110)) : null);
}

/** @param {WebhookList['metadata']} metadata */
function latestDropped(metadata) {
    const events = metadata.allRetrievals.slice(0, 5);
    const place = h('div', { id: 'latest-dropped' });
    append(place, [events.length
        ? [
            h('ul', { class: 'plain-list' }, events.map((event) => h('li', { 'data-row': event.id },
                h('div', null, eventLink(event)),
                h('small', { class: 'quiet' }, when(event.droppedTime), ' · ', DROPPED_BECAUSE[event.dropReason ?? ''] ?? '')))),
            h('p', null, link('#/dropped', 'All dropped events')),
        ]
        : empty('Nothing was dropped. An event comes here when all of its attempts have failed, and waits ten days for you.')]);
    return place;
}

/** @param {Configuration} configuration */
function settings(configuration) {
    const addresses = configuration.ipAllowlist;
    return h('div', { id: 'settings' }, facts([
        ['Type', TYPES[configuration.type ?? 'generic']],
        ['Dates', DATE_FORMATS[configuration.dateFormat]],
        ['Retries', configuration.retrySchedule ? configuration.retrySchedule.map(duration).join(', ') : 'as the type has them'],
        ['Allowlist', addresses.length ? [
            addresses.slice(0, 4).map((address, i) => [i ? ', ' : '', h('code', null, brief(address, 50))]),
            addresses.length > 4 ? ` and ${addresses.length - 4} more` : '',
        ] : 'empty: nothing can be sent'],
    ]), h('p', null, link('#/configuration', 'All settings')));
}
