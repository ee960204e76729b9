// One webhook: how it fares, what it got, its settings, its secret, and whether its address matches the allowlist.
import * as api from '../api.js';
import { append, brief, code, due, duration, h, long, number, said, shortId, soon, until, when } from '../dom.js';
import { select } from '../forms.js';
import {
    action, announce, badge, busy, confirmed, copyable, dialog, empty, errorBox, eventLink, facts, head, link, outcome, section, step, table, taken, toast,
} from '../parts.js';
import { can } from '../session.js';
import { ADDRESSES, DROPPED_BECAUSE, OUTCOMES } from '../words.js';

/** @import { Context, View } from '../app.js' */
/** @import { AddressCheck, Event, EventList, Webhook } from '../types/api' */
/** @import { Children } from '../types/dom' */

/** A secret that was just made, to be shown once where it belongs; never in an address. @type {{ id: string, secret: string } | null} */
let fresh = null;

/** @param {string} id @param {string} secret */
export function showSecretOf(id, secret) {
    fresh = { id, secret };
}

/** @type {View} */
export async function webhook(context) {
    const id = context.parameter;
    const [webhook, page] = await Promise.all([api.viewWebhook(id, context.signal), api.listEvents(id, {}, context.signal)]);
    const write = can('configuration:write');
    return {
        title: webhook.callbackURL,
        content: [
            head(h('span', { class: 'url' }, brief(webhook.callbackURL, 120)), {
                above: 'Webhook',
                beside: badge(webhook.status),
                below: copyable(webhook.id, 'the id'),
                actions: write ? buttons(webhook, context) : null,
            }),
            standing(webhook),
            h('div', { class: 'wide-columns' },
                h('div', null,
                    section('Recent attempts', strip(page.events)),
                    section('History', history(webhook, page, context))),
                h('div', null,
                    section('Settings', settings(webhook)),
                    write ? section('Secret', secret(webhook)) : null,
                    webhook.kind === 'pull' ? null : section('Does my address match?', check(webhook, context)))),
        ],
    };
}

/** @param {Webhook} webhook @param {Context} context */
function buttons(webhook, context) {
    return [
        step('change', `#/webhooks/${webhook.id}/change`, 'Change'),
        webhook.status === 'disabled'
            ? action('enable', 'Enable', async () => {
                await api.changeWebhook(webhook.id, { status: 'active' });
                if (!context.signal.aborted) await context.redraw('The webhook is enabled.');
            }, { kind: 'primary' })
            : step('send', `#/send?webhookId=${webhook.id}`, 'Send an example'),
        webhook.status === 'disabled' ? null : action('disable', 'Disable', async () => {
            await api.changeWebhook(webhook.id, { status: 'disabled' });
            if (!context.signal.aborted) await context.redraw('The webhook is disabled. Its events are dropped, and kept for ten days.');
        }),
        action('delete', 'Delete', () => remove(webhook, context), { kind: 'danger' }),
    ];
}

/** @param {Webhook} webhook @param {Context} context */
async function remove(webhook, context) {
    const sure = await confirmed({
        title: 'Delete this webhook?', confirm: 'Delete the webhook', danger: true,
        text: ['Nothing more is sent to ', long(webhook.callbackURL, 120),
            '. For ten days this can be undone: the webhook comes back with its id, its secret and the events it did not get.'],
    });
    if (!sure) return;
    const { requestId } = await api.deleteWebhook(webhook.id);
    toast('The webhook is deleted. This can be undone for ten days.', {
        undo: async () => {
            await api.restore('webhook', requestId);
            toast('The webhook is back.');
            if (location.hash === `#/webhooks/${webhook.id}`) await context.redraw();
            else location.hash = `#/webhooks/${webhook.id}`;
        },
        more: link('#/deletions', 'All deletions'),
    });
    if (!context.signal.aborted) context.go('#/');
}

/** Why it does not get everything at once, if so.
 * @param {Webhook} webhook */
function standing(webhook) {
    if (webhook.status === 'active' && !webhook.errors.length) return null;
    const text = {
        failing: ['It failed five times in a row, so attempts are put off', webhook.nextAttemptTime ? [' until ', due(webhook.nextAttemptTime)] : null,
            '. Nothing is lost: one attempt then decides whether the others follow.'],
        disabled: [can('configuration:write')
            ? 'It is disabled: its events are dropped at once, and kept for ten days. Enable it, then reattempt them.'
            : 'It is disabled: its events are dropped at once, and kept for ten days.'],
        active: ['Its newest attempts failed.'],
    }[webhook.status];
    const dropped = `${number(webhook.retrievalCount, 'event')}${webhook.moreRetrievals ? ' or more' : ''} dropped`;
    return h('div', { class: 'notice', 'data-status': webhook.status },
        h('p', null, text, webhook.retrievalCount ? [' ', link(`#/dropped?webhookId=${webhook.id}`, dropped), '.'] : null),
        webhook.errors.length ? h('ul', { class: 'failures' }, webhook.errors.slice(0, 3).map((error) => h('li', null,
            h('div', null, when(error.time),
                error.eventId ? [' ', link(`#/events/${error.eventId}`, ['event', h('span', { class: 'unseen' }, ` ${error.eventId}`)])] : null),
            h('div', null, long(error.message, 160))))) : null);
}

/** The last attempt of each of the newest events, oldest on the left: higher is slower, and a failure has another form.
 * @param {Event[]} events */
function strip(events) {
    const attempts = events.flatMap((event) => (event.lastAttempt ? [event.lastAttempt] : [])).reverse();
    if (!attempts.length) return h('div', { id: 'attempts' }, empty('Nothing was sent yet.'));
    const times = attempts.map(({ milliseconds }) => milliseconds).toSorted((a, b) => a - b);
    const good = attempts.filter(({ outcome }) => outcome === 'success').length;
    return h('figure', { class: 'strip' },
        h('ol', { id: 'attempts' }, attempts.map((attempt) => {
            const time = when(attempt.time);
            const text = [time.textContent, OUTCOMES[attempt.outcome], attempt.responseCode, `${attempt.milliseconds} ms`].filter(Boolean).join(', ');
            const bar = h('span', { class: 'bar' });
            bar.style.blockSize = `${Math.round(20 + 80 * Math.min(1, Math.log10(1 + attempt.milliseconds) / 4))}%`;
            return h('li', { 'data-status': attempt.outcome, title: text }, bar, h('span', { class: 'unseen' }, text));
        })),
        h('figcaption', { class: 'quiet small' },
            `${good} of ${attempts.length} delivered, ${times[Math.floor(times.length / 2)]} ms in the middle, ${times[times.length - 1]} ms at most: `,
            'the last attempt of each of the newest events.'));
}

/** @param {Webhook} webhook @param {EventList} first @param {Context} context */
function history(webhook, first, context) {
    const place = h('div', { id: 'history-place' });
    let status = '';
    /** What a page of another status, which was asked for later, makes void. */
    let turn = 0;

    /** @param {EventList} page */
    const fill = (page) => {
        const rows = page.events.map(row);
        if (!rows.length && !page.nextCursor) {
            place.replaceChildren(empty(status ? `No event is ${status}.` : 'Nothing was sent yet. An event comes here with its first attempt.',
                !status && can('configuration:write') && webhook.status !== 'disabled'
                    ? step('send', `#/send?webhookId=${webhook.id}`, 'Send an example', 'primary') : null));
            return;
        }
        const { element, add } = table({
            id: 'history', caption: 'Events of the last ten days, newest first',
            columns: ['Event', { name: 'State', class: 'event' }, { name: 'Last attempt', class: 'event' }], rows,
        });
        place.replaceChildren(element);
        more(page, add);
    };

    /** @param {EventList} page @param {ReturnType<typeof table>['add']} add */
    const more = (page, add) => {
        if (!page.nextCursor) return;
        const line = h('div', { class: 'actions' }, action('more', 'Older events', async () => {
            const mine = turn;
            const next = await api.listEvents(webhook.id, { status, cursor: page.nextCursor }, context.signal);
            if (mine !== turn) return;
            line.remove();
            add(next.events.map(row));
            announce(`${number(next.events.length, 'older event')} shown.`);
            more(next, add);
            // The focus goes on to the first of what came, or stays at the button of a page that brought nothing.
            const to = place.querySelector(next.events.length ? `[data-row="${next.events[0].id}"] a` : '[data-action=more]');
            if (to instanceof HTMLElement) to.focus();
        }));
        place.append(line);
    };

    const choices = h('fieldset', { class: 'choices' }, h('legend', { class: 'unseen' }, 'Show events that are'),
        [['', 'All'], ['delivered', 'Delivered'], ['pending', 'Pending'], ['dropped', 'Dropped']].map(([value, label]) => h('label', null,
            h('input', {
                type: 'radio', name: 'status', value, checked: value === '', onchange: async () => {
                    status = value;
                    const mine = ++turn;
                    try {
                        const page = await api.listEvents(webhook.id, { status }, context.signal);
                        if (mine !== turn) return;
                        fill(page);
                        announce(`${number(page.events.length, 'event')}${page.nextCursor ? ', and older ones' : ''}.`);
                    } catch (error) {
                        if (!context.signal.aborted && mine === turn) place.replaceChildren(errorBox(error));
                    }
                },
            }), h('span', null, label))));
    fill(first);
    return [choices, place];
}

/** @param {Event} event */
function row(event) {
    const attempt = event.lastAttempt;
    return {
        id: event.id,
        cells: [
            [eventLink(event), h('small', { class: 'quiet' }, when(event.publishedTime), ' ', shortId(event.id))],
            h('div', null, badge(event.status),
                event.nextAttemptTime ? h('small', null, 'next ', soon(event.nextAttemptTime)) : null,
                event.dropReason && event.dropReason !== 'attempts_spent' ? h('small', { class: 'quiet' }, DROPPED_BECAUSE[event.dropReason]) : null),
            attempt
                ? h('div', null, outcome(attempt), h('small', { class: 'quiet number' },
                    `${attempt.milliseconds} ms`, event.attemptCount > 1 ? `, attempt ${event.attemptCount}` : '', attempt.manual ? ', by hand' : ''))
                : h('span', { class: 'quiet' }, 'none yet'),
        ],
    };
}

/** @param {Webhook} webhook */
function settings(webhook) {
    const headers = Object.keys(webhook.headers ?? {});
    return h('div', { id: 'settings' }, facts([
        webhook.kind === 'pull'
            ? ['Fetched', ['by ', code(`POST /configuration/webhooks/${webhook.id}/pull`), ' or ', code('tenday listen')]]
            : ['Callback', long(webhook.callbackURL, 400)],
        ['Events', taken(webhook)],
        ...(webhook.linkIds ? [/** @type {[string, Children]} */ (['Links', webhook.linkIds.map((id, i) => [i ? ', ' : null, code(id)])])] : []),
        ...(webhook.kind === 'pull' ? [] : sending(webhook)),
        ['Headers', headers.length
            ? h('ul', { class: 'plain-list' }, headers.map((name) => h('li', null, code(name), ' ', h('small', { class: 'quiet' }, 'value not shown'))))
            : 'none of its own'],
        ['Last event', webhook.lastEvent ? [when(webhook.lastEventTime), ' ', link(`#/events/${webhook.lastEvent}`, 'show')] : 'never'],
    ]));
}

/** @param {Webhook} webhook @returns {[string, Children][]} */
function sending(webhook) {
    return [
        ['Retries', webhook.retrySchedule ? webhook.retrySchedule.map(duration).join(', ') || 'none' : "as the configuration's"],
        ['Rate', webhook.rateLimit ? `${number(webhook.rateLimit, 'attempt')} a second at most` : 'no limit of its own'],
    ];
}

/** @param {Webhook} webhook */
function secret(webhook) {
    const place = h('div', { id: 'secret' });
    /** @param {string} text @param {Children} [note] */
    const show = (text, note) => {
        place.replaceChildren();
        append(place, [
            note ? h('p', { role: 'status' }, note) : null,
            h('p', null, copyable(text, 'the secret')),
            h('div', { class: 'actions' }, action('hide-secret', 'Hide', hide), rotate),
        ]);
    };
    const hide = () => {
        place.replaceChildren();
        append(place, [
            h('p', { class: 'quiet small' }, 'It signs every delivery. Whoever has it can send what looks like ours.'),
            h('div', { class: 'actions' }, action('show-secret', 'Show', async () => {
                const { secret } = await api.viewSecret(webhook.id);
                show(secret);
                place.querySelector('button')?.focus();
            }), rotate),
        ]);
    };
    const rotate = action('rotate-secret', 'Rotate', async () => {
        const overlap = await askOverlap();
        if (overlap === null) return;
        const answer = await api.rotateSecret(webhook.id, overlap);
        show(answer.secret, ['This is the new secret. ', overlap
            ? ['The old one signs beside it until ', until(answer.oldSecretsSignUntil), '.']
            : 'The old one signs nothing any more.']);
    });
    if (fresh?.id === webhook.id) {
        show(fresh.secret, 'The webhook is made. This is the secret that its deliveries are signed with: put it where your receiver reads it.');
        fresh = null;
    } else {
        hide();
    }
    return place;
}

async function askOverlap() {
    const answer = await dialog('rotate', 'Rotate the secret', (close) => {
        const overlap = select([
            ['0', 'not at all: it may be known to others'], ['3600', 'an hour'], ['86400', 'a day'], ['259200', 'three days'], ['604800', 'seven days'],
        ], '86400', { id: 'overlap', name: 'overlapSeconds' });
        return [
            h('p', null, 'A new secret signs from now on. While the old one signs beside it, receivers that know either accept what is sent.'),
            h('div', { class: 'field' }, h('label', { for: 'overlap' }, 'The old secret goes on signing'), overlap),
            h('div', { class: 'actions' },
                h('button', { type: 'button', class: 'primary', 'data-action': 'confirm', onclick: () => close(overlap.value) }, 'Rotate'),
                h('button', { type: 'button', class: 'plain', 'data-action': 'cancel', onclick: () => close('') }, 'Cancel')),
        ];
    });
    return answer ? Number(answer) : null;
}

/** @param {Webhook} webhook @param {Context} context */
function check(webhook, context) {
    const place = h('div', { id: 'check', 'aria-live': 'polite' });
    const button = action('check-address', 'Look it up', async () => {
        const answer = await api.checkAddress(webhook.id);
        if (context.signal.aborted) return;
        place.replaceChildren();
        append(place, judged(answer, async (entries) => {
            await api.changeConfiguration({ ipAllowlist: entries });
            announce(`${entries.join(', ')} added to the allowlist.`);
            await busy(button, async () => {
                const again = await api.checkAddress(webhook.id);
                place.replaceChildren();
                append(place, judged(again, async () => {}));
            });
            button.focus();
        }));
    });
    return [
        h('p', { class: 'quiet small' }, "What the callback's host resolves to now, and whether the allowlist lets events go there. Nothing is sent."),
        h('div', { class: 'actions' }, button),
        place,
    ];
}

/** @param {AddressCheck} answer @param {(entries: string[]) => Promise<void>} add @returns {Children[]} */
function judged(answer, add) {
    if (answer.error) return [h('p', { class: 'verdict', 'data-status': 'failing' }, said(answer.error))];
    return [
        h('p', { class: 'verdict', 'data-status': answer.ok ? 'active' : 'failing' },
            answer.ok ? 'It matches: events are sent to ' : 'It does not match: nothing is sent to ', said(answer.host),
            answer.ok ? '.' : ' until every address is allowed.'),
        h('ul', { class: 'plain-list' }, answer.addresses.map(({ address, allowed, reason }) => h('li', { 'data-row': address },
            h('code', null, said(address)), ' ', allowed ? 'allowed' : ADDRESSES[reason ?? ''] ?? 'not allowed'))),
        answer.allowlistEntries.length && can('configuration:write')
            ? h('div', { class: 'actions' }, action('add-to-allowlist', ['Add ', said(answer.allowlistEntries.join(', ')), ' to the allowlist'],
                () => add(answer.allowlistEntries), { kind: 'primary' }))
            : null,
    ];
}
