// Dropped events: which wait, and reattempting one or all of them.
import { listDropped, listWebhooks, reattempt, reattemptAll } from '../api.js';
import { append, brief, clip, h, long, name, number, shortId, when } from '../dom.js';
import { field, form, select, value } from '../forms.js';
import { action, announce, confirmed, empty, eventLink, head, link, outcome, section, step, table } from '../parts.js';
import { can } from '../session.js';
import { JobProgress } from '../watch.js';
import { DROPPED_BECAUSE } from '../words.js';
import { noConfiguration } from './overview.js';

/** @import { Choice } from '../api.js' */
/** @import { Context, View } from '../app.js' */
/** @import { AllReattempted, Event, EventList, Webhook } from '../types/api' */

const FIELDS = /** @type {const} */ (['webhookId', 'eventName', 'since', 'until']);

/** @type {View} */
export async function dropped(context) {
    const { query, signal, redraw } = context;
    /** @type {Choice} */
    const choice = Object.fromEntries(FIELDS.map((name) => [name, query.get(name) ?? '']).filter(([, text]) => text));
    const [page, list] = await Promise.all([listDropped(choice, signal), listWebhooks(signal)]);
    const title = 'Dropped events';
    if (!page || !list) return { title, content: [head(title), noConfiguration()] };
    const webhooks = list.webhooks ?? [];
    const filtered = Object.keys(choice).length > 0;
    const done = h('div', { id: 'reattempted', 'aria-live': 'polite' });
    const job = query.get('job');
    if (job) done.append(followed(job, redraw));
    const some = page.events.length > 0 || page.nextCursor !== null;
    return {
        title,
        content: [
            head(title, {
                below: h('p', { class: 'prose' }, 'Their automatic attempts are over. Each waits ten days to be reattempted.'),
                actions: can('configuration:write') && some ? action('reattempt-all', filtered ? 'Reattempt all of these' : 'Reattempt all',
                    () => all(choice, filtered, done, context), { kind: 'primary' }) : null,
            }),
            filterForm(choice, webhooks, page.events, context),
            done,
            eventTable(page, choice, webhooks, signal),
        ],
    };
}

/** @param {Choice} choice @param {Webhook[]} webhooks @param {Event[]} events @param {Context} context */
function filterForm(choice, webhooks, events, { go }) {
    const names = [...new Set([...webhooks.flatMap(({ eventName }) => (eventName ? [eventName] : [])), ...events.map(({ eventName }) => eventName)])].sort();
    // Also one that is deleted by now.
    const ids = new Set([...webhooks.map(({ id }) => id), ...(choice.webhookId ? [choice.webhookId] : [])]);
    /** @type {[string, string][]} */
    const offered = [...ids].map((id) => {
        const webhook = webhooks.find((one) => one.id === id);
        return [id, webhook ? `${clip(webhook.callbackURL, 60)}${webhook.eventName ? ` (${clip(webhook.eventName, 60)})` : ''}` : id];
    });
    const element = form('filter', [
        field({
            name: 'webhookId', label: 'Webhook',
            control: select([['', 'All'], ...offered], choice.webhookId),
        }),
        field({ name: 'eventName', label: 'Event', control: h('input', { list: 'names', value: choice.eventName ?? '', spellcheck: 'false' }) }),
        h('datalist', { id: 'names' }, names.map((name) => h('option', { value: name }))),
        field({ name: 'since', label: 'Published since', control: h('input', { type: 'datetime-local', value: local(choice.since) }) }),
        field({ name: 'until', label: 'Published until', control: h('input', { type: 'datetime-local', value: local(choice.until) }) }),
    ], {
        submit: 'Filter', action: 'filter', kind: 'plain', class: 'filter',
        beside: Object.keys(choice).length ? step('clear-filter', '#/dropped', 'Show all') : null,
    }, async (form) => {
        const wanted = new URLSearchParams();
        for (const name of FIELDS) {
            const text = value(form, name);
            if (text) wanted.set(name, name === 'since' || name === 'until' ? new Date(text).toISOString() : text);
        }
        const to = `#/dropped${wanted.size ? `?${wanted}` : ''}`;
        if (to !== location.hash) go(to);
    });
    return element;
}

/** A moment as a field for local times wants it.
 * @param {string | undefined} moment */
function local(moment) {
    if (!moment) return '';
    const date = new Date(moment);
    return Number.isNaN(date.getTime()) ? '' : new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

/** @param {EventList} page @param {Choice} choice @param {Webhook[]} webhooks @param {AbortSignal} signal */
function eventTable(page, choice, webhooks, signal) {
    if (!page.events.length && !page.nextCursor) {
        return Object.keys(choice).length
            ? empty('No dropped event is of this choice.', step('clear-filter', '#/dropped', 'Show all'))
            : empty('Nothing was dropped. An event comes here when all of its attempts have failed, and waits ten days for you.');
    }
    const urls = new Map(webhooks.map(({ id, callbackURL }) => [id, callbackURL]));
    const write = can('configuration:write');
    /** @param {Event} event */
    const row = (event) => {
        const url = urls.get(event.webhookId);
        const attempt = event.lastAttempt;
        return {
            id: event.id,
            cells: [
                [eventLink(event), h('small', { class: 'quiet' }, shortId(event.id))],
                link(`#/webhooks/${event.webhookId}`, url ? brief(url, 100) : shortId(event.webhookId), { class: 'url' }),
                when(event.publishedTime),
                h('div', null, attempt ? outcome(attempt) : h('span', { class: 'quiet' }, 'no attempt'),
                    event.dropReason && event.dropReason !== 'attempts_spent' ? h('small', { class: 'quiet' }, DROPPED_BECAUSE[event.dropReason]) : null),
                ...(write ? [h('div', { class: 'actions' },
                    action('reattempt', 'Reattempt', () => one(event), { about: `Reattempt ${clip(event.eventName, 80)} ${event.id}` }))] : []),
            ],
        };
    };
    const { element, add } = table({
        id: 'dropped', caption: 'Dropped events, newest first',
        columns: [
            'Event', 'Webhook', { name: 'Published', class: 'time' }, { name: 'Last attempt', class: 'event' },
            ...(write ? [{ name: '', class: 'end' }] : []),
        ],
        rows: page.events.map(row),
    });
    const place = h('div', null, element);

    /** @param {Event} event */
    const one = async (event) => {
        const answer = await reattempt(event.id);
        const tr = element.querySelector(`[data-row="${CSS.escape(event.id)}"]`);
        if (!tr?.isConnected) return;
        const text = answer.success ? (answer.callbackUrl ? 'Delivered' : answer.responseMessage) : `Not delivered: ${answer.responseMessage}`;
        announce(text);
        const last = tr.querySelector('td:last-child');
        if (answer.success) {
            tr.classList.add('gone');
            last?.replaceChildren(h('span', { class: 'badge', 'data-status': 'delivered', tabindex: -1 }, 'Delivered'));
            const focus = last?.querySelector('span');
            focus?.focus();
        } else {
            last?.querySelector('.failed-again')?.remove();
            last?.append(h('small', { class: 'failed-again' }, long(text, 120)));
        }
    };

    /** @param {string | null} cursor */
    const more = (cursor) => {
        if (!cursor) return;
        const line = h('div', { class: 'actions' }, action('more', 'Older events', async () => {
            const next = await listDropped({ ...choice, cursor }, signal);
            line.remove();
            if (!next) return;
            add(next.events.map(row));
            announce(`${number(next.events.length, 'older event')} shown.`);
            more(next.nextCursor);
            const to = place.querySelector(next.events.length ? `[data-row="${next.events[0].id}"] a` : '[data-action=more]');
            if (to instanceof HTMLElement) to.focus();
        }));
        place.append(line);
    };
    more(page.nextCursor);
    return place;
}

/** @param {Choice} choice @param {boolean} filtered @param {HTMLElement} place @param {Context} context */
async function all(choice, filtered, place, context) {
    const sure = await confirmed({
        title: filtered ? 'Reattempt all of these?' : 'Reattempt all dropped events?',
        text: 'Each is sent to its webhook now. What fits in twenty seconds is answered here; the rest goes on as a job.',
        confirm: 'Reattempt',
    });
    if (!sure) return;
    announce('Reattempting…');
    const answer = await reattemptAll(choice);
    if (context.signal.aborted) return;
    const { jobId } = answer;
    if (jobId) {
        const query = new URLSearchParams(/** @type {Record<string, string>} */ (choice));
        query.set('job', jobId);
        // A page that is loaded again goes on showing it.
        context.replace(`#/dropped?${query}`);
    } else {
        await context.redraw();
    }
    const shown = document.getElementById('reattempted') ?? place;
    shown.replaceChildren();
    append(shown, [results(answer, jobId !== undefined), jobId ? followed(jobId, context.redraw) : null]);
}

/** @param {AllReattempted} answer @param {boolean} goesOn */
function results({ responses }, goesOn) {
    if (!responses.length) {
        return goesOn ? null : h('div', { class: 'notice' }, h('p', null, 'Nothing was sent. Events of a disabled webhook wait until it is enabled.'));
    }
    const good = responses.filter(({ success }) => success).length;
    const bad = responses.filter(({ success }) => !success);
    return h('div', { class: 'notice', 'data-status': bad.length ? 'failing' : 'active' },
        h('p', null, `${number(good, 'event')} delivered, ${bad.length} failed.`),
        bad.length ? h('ul', null, bad.slice(0, 10).map((response) => h('li', { 'data-row': response.eventId },
            response.eventId ? [link(`#/events/${response.eventId}`, [name(response.eventName ?? 'Event'), ' ', shortId(response.eventId)]), ': '] : null,
            response.responseCode ? [h('code', null, brief(response.responseCode, 12)), ' '] : null, long(response.responseMessage)))) : null,
        bad.length > 10 ? h('p', null, `And ${bad.length - 10} more.`) : null);
}

/** @param {string} job @param {(said?: string) => Promise<void>} redraw */
function followed(job, redraw) {
    const progress = new JobProgress(job);
    const part = section('Reattempting', progress);
    progress.addEventListener('done', () => {
        part.append(h('div', { class: 'actions' }, action('refresh', 'Show what is still dropped', () => redraw('Looked again.'))));
    });
    return part;
}
