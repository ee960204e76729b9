// Sending something to see it arrive: an example of an event to one webhook, and a link's test event to all of them.
import { listWebhooks, sendExample, testLink, viewCatalogue, viewConfiguration } from '../api.js';
import { append, clip, code, h } from '../dom.js';
import { field, form, Mistake, select, value } from '../forms.js';
import { empty, example, head, section, step } from '../parts.js';
import { can } from '../session.js';
import { EventWatch } from '../watch.js';
import { LINK_EVENTS } from '../words.js';
import { noConfiguration } from './overview.js';

/** @import { View } from '../app.js' */
/** @import { Webhook } from '../types/api' */

/** @type {View} */
export async function send({ query, signal }) {
    return {
        title: 'Send a test',
        content: [
            head('Send a test', { below: h('p', { class: 'prose' }, 'It goes the ordinary way: signed, with retries, and to be seen in the history.') }),
            h('div', { class: 'columns' },
                can('configuration:write') ? section('An example, to one webhook', await exampleForm(query, signal)) : null,
                can('links:test') ? section("A link's test event", linkTest()) : null),
        ],
    };
}

/** Whether a webhook gets an event of this name.
 * @param {Webhook} webhook @param {string} eventName */
function takes(webhook, eventName) {
    const names = webhook.eventName === null ? webhook.eventNames ?? [eventName] : [webhook.eventName];
    return names.some((name) => name === eventName || eventName.startsWith(`${name}.`));
}

/** @param {URLSearchParams} query @param {AbortSignal} signal */
async function exampleForm(query, signal) {
    const [configuration, list, { types }] = await Promise.all([viewConfiguration(signal), listWebhooks(signal), viewCatalogue()]);
    if (!configuration || !list) return noConfiguration();
    const webhooks = list.webhooks ?? [];
    if (!webhooks.length) return empty('There is no webhook to send to yet.', step('create-webhook', '#/webhooks/new', 'Create a webhook', 'primary'));
    const events = types[configuration.type ?? 'generic'] ?? [];
    const wantedEvent = query.get('eventName');
    const answer = h('div', { id: 'example-answer', 'aria-live': 'polite' });
    const preview = h('div', null);
    const name = select([], null);
    const webhook = select(webhooks.map(({ id, callbackURL, status }) =>
        [id, `${clip(callbackURL, 60)}${status === 'disabled' ? ' (disabled)' : ''}`]),
    query.get('webhookId') ?? webhooks.find((one) => wantedEvent !== null && takes(one, wantedEvent))?.id);
    const show = () => {
        const event = events.find(({ eventName }) => eventName === name.value);
        preview.replaceChildren();
        if (event) append(preview, [h('p', { class: 'quiet small' }, event.summary), example(event.example)]);
    };
    const offer = () => {
        const chosen = webhooks.find(({ id }) => id === webhook.value) ?? webhooks[0];
        const kept = name.value || wantedEvent;
        const names = [...new Set(events.map(({ eventName }) => eventName))].filter((eventName) => takes(chosen, eventName));
        name.replaceChildren(...names.map((eventName) => h('option', { value: eventName, selected: eventName === kept }, clip(eventName, 100))));
        show();
    };
    webhook.addEventListener('change', offer);
    name.addEventListener('change', show);
    offer();
    return [form('example', [
        field({ name: 'webhookId', label: 'Webhook', control: webhook }),
        field({ name: 'eventName', label: 'Event', hint: 'What this webhook subscribes to.', control: name }),
    ], { submit: 'Send the example', action: 'send-example' }, async (element) => {
        const { eventId } = await sendExample(value(element, 'webhookId'), value(element, 'eventName'));
        answer.replaceChildren(new EventWatch(eventId));
    }), answer, preview];
}

function linkTest() {
    const answer = h('div', { id: 'link-answer', 'aria-live': 'polite' });
    return [
        h('p', { class: 'quiet small' }, 'For a sandbox link of yours. It goes to every webhook that subscribes to it.'),
        form('link-test', [
            field({
                name: 'linkId', label: 'Link', hint: 'Its id, as your platform gave it.',
                control: h('input', { spellcheck: 'false', placeholder: 'mk_…', required: true }),
            }),
            field({
                name: 'webhookEvent', label: 'Event',
                control: select(Object.entries(LINK_EVENTS).map(([event, text]) => [event, `${event}: ${text}`]), null),
            }),
            field({
                name: 'key', label: 'Your key', hint: 'To know the payload by. The same key, event and link fires nothing more.',
                control: h('input', { value: `test-${crypto.randomUUID().slice(0, 8)}`, maxlength: 200, spellcheck: 'false' }),
            }),
        ], {
            submit: 'Fire the test event', action: 'fire-test', names: { webhook_event: 'webhookEvent', webhook_idempotency_key: 'key' },
        }, async (element) => {
            const link = value(element, 'linkId');
            if (!link) throw new Mistake('linkId', 'Which link? Its id begins with mk_.');
            const { delivery_token: token } = await testLink(link, value(element, 'webhookEvent'), value(element, 'key'));
            answer.replaceChildren(h('div', { class: 'notice', 'data-status': 'active' },
                h('p', null, 'It is on its way to every webhook that subscribes to it. Its deliveries carry the token ', code(token), '.')));
        }),
        answer,
    ];
}
