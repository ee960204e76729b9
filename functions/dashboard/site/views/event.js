// One event: what was sent, what was answered, how to verify it, and sending it again.
import { reattempt, viewEvent } from '../api.js';
import { append, brief, code, due, h, long, name, said, when } from '../dom.js';
import { action, announce, badge, block, copyable, empty, facts, head, link, outcome, section, table, testBadge } from '../parts.js';
import { can } from '../session.js';
import { LANGUAGES } from '../verify.js';
import { DROPPED_BECAUSE } from '../words.js';

/** @import { Context, View } from '../app.js' */
/** @import { EventInFull } from '../types/api' */
/** @import { Children } from '../types/dom' */

/** @type {View} */
export async function event(context) {
    const event = await viewEvent(context.parameter, context.signal);
    const answer = h('div', { id: 'reattempt-answer', 'aria-live': 'polite' });
    return {
        title: event.eventName,
        content: [
            head(name(event.eventName), {
                above: ['Event of ', link(`#/webhooks/${event.webhookId}`, 'this webhook')],
                beside: [badge(event.status), testBadge(event)],
                below: copyable(event.id, 'the id'),
                actions: [
                    event.status === 'dropped' && can('configuration:write')
                        ? action('reattempt', 'Reattempt now', () => again(event, answer, context), { kind: 'primary' }) : null,
                    event.status === 'pending' ? action('refresh', 'Look again', () => context.redraw('Looked again.')) : null,
                ],
            }),
            answer,
            facts(standing(event)),
            section('Attempts', attempts(event)),
            section('Request', request(event)),
            section('Verify it', verify()),
        ],
    };
}

/** @param {EventInFull} event */
function standing(event) {
    /** @type {[string, Children][]} */
    const pairs = [['Published', when(event.publishedTime)]];
    if (event.nextAttemptTime) pairs.push(['Next attempt', due(event.nextAttemptTime)]);
    if (event.droppedTime) pairs.push(['Dropped', [when(event.droppedTime), ': ', DROPPED_BECAUSE[event.dropReason ?? ''] ?? '']]);
    if (event.fetches) pairs.push(['Fetches', String(event.fetches)]);
    pairs.push(['Kept until', when(event.expiresTime)], ['Update', copyable(event.updateId, "the update's id")]);
    return pairs;
}

/** @param {EventInFull} event @param {HTMLElement} place @param {Context} context */
async function again(event, place, context) {
    const answer = await reattempt(event.id);
    if (context.signal.aborted) return;
    await context.redraw(answer.success ? (answer.callbackUrl ? 'The event is delivered.' : answer.responseMessage) : 'The attempt failed; the event stays dropped.');
    const shown = document.getElementById('reattempt-answer') ?? place;
    shown.replaceChildren();
    append(shown, [h('div', { class: 'notice', 'data-status': answer.success ? 'active' : 'failing' },
        h('p', null, answer.success ? (answer.callbackUrl ? 'Delivered: the receiver answered ' : '') : 'Not delivered: ',
            answer.responseCode ? [h('code', null, brief(answer.responseCode, 12)), ' '] : null, long(answer.responseMessage),
            answer.success ? '' : '. The event stays dropped.'))]);
}

/** @param {EventInFull} event */
function attempts(event) {
    if (!event.attempts.length) return empty(event.status === 'pending' ? 'It waits for its first attempt.' : 'No attempt was made.');
    return table({
        id: 'attempts', caption: 'Attempts, oldest first',
        columns: [{ name: 'Time', class: 'time' }, { name: 'Outcome', class: 'event' }, { name: 'ms', class: 'number' }, 'Answer'],
        rows: event.attempts.map((attempt, i) => ({
            id: String(i + 1),
            cells: [
                [when(attempt.time), attempt.manual ? h('small', { class: 'quiet' }, ' by hand') : null],
                outcome(attempt),
                attempt.milliseconds,
                attempt.responseBody ? h('span', { class: 'answer' }, long(attempt.responseBody, 200)) : h('span', { class: 'quiet' }, 'nothing'),
            ],
        })),
    }).element;
}

/** @param {EventInFull} event */
function request(event) {
    const sent = event.request;
    if (!sent) {
        if (!event.payload) return empty(said(event.noRequest ?? "The configuration's type has no shape for it any more, so it cannot be sent."));
        return h('div', { id: 'request' },
            h('p', { class: 'quiet small' }, event.noRequest ? [said(event.noRequest), ' '] : null, 'This is the body as it would be sent now.'),
            block('body', JSON.stringify(event.payload, null, 2), 'the body'));
    }
    const body = h('div', null, block('body', sent.body, 'the body'));
    const readable = pretty(sent.body);
    const toggle = h('input', {
        type: 'checkbox', name: 'formatted', onchange: () => {
            body.replaceChildren(block('body', toggle.checked && readable ? readable : sent.body, 'the body'));
        },
    });
    return h('div', { id: 'request' },
        h('p', { class: 'quiet small prose' },
            'The request of the newest attempt, with the address and the headers as they are set now. ',
            'What is not kept is not shown: values of your own headers, and what was new in each attempt.'),
        h('p', { class: 'request-line' }, h('code', null, said(sent.method)), ' ', long(sent.url, 400)),
        table({
            id: 'headers', caption: 'Headers of the newest attempt', columns: [{ name: 'Header', class: 'event' }, 'Value'],
            rows: sent.headers.map(({ name, value }) => ({
                id: name, cells: [code(name), value === null ? h('span', { class: 'quiet' }, 'not shown') : h('code', { class: 'value' }, long(value, 400))],
            })),
        }).element,
        h('div', { class: 'between' },
            h('h3', null, 'Body'),
            readable && readable !== sent.body ? h('label', { class: 'check' }, toggle, ' Indented: easier to read, but not what was signed') : null),
        body);
}

/** @param {string} text */
function pretty(text) {
    try {
        return JSON.stringify(JSON.parse(text), null, 2);
    } catch {
        return null;
    }
}

function verify() {
    const place = h('div', null);
    /** @param {string} id */
    const show = (id) => {
        const language = LANGUAGES.find((language) => language.id === id) ?? LANGUAGES[0];
        place.replaceChildren(block('snippet', language.code, `code in ${language.name}`));
    };
    show(LANGUAGES[0].id);
    return h('div', { id: 'verify' },
        h('p', { class: 'prose' },
            'A receiver that checks the signature knows that a delivery is genuine and new. What is signed is ',
            h('code', null, 'webhook-id.webhook-timestamp.body'),
            ', with the raw bytes of the body: parse it afterwards. The secret is on the page of the webhook; the official libraries of ',
            'Standard Webhooks do the same. The code below rests on nothing but what the language brings along.'),
        h('fieldset', { class: 'choices' }, h('legend', { class: 'unseen' }, 'Language'), LANGUAGES.map(({ id, name }, i) => h('label', null,
            h('input', {
                type: 'radio', name: 'language', value: id, checked: i === 0, onchange: () => {
                    show(id);
                    announce(`Shown in ${name}`);
                },
            }), h('span', null, name)))),
        place);
}
