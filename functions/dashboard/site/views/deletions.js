// Deletions that can still be undone.
import { FETCHED, listDeletions, restore } from '../api.js';
import { clip, h, long, name, until, when } from '../dom.js';
import { action, empty, head, step, table, toast } from '../parts.js';
import { can } from '../session.js';
import { TYPES } from '../words.js';

/** @import { View } from '../app.js' */
/** @import { Deletion } from '../types/api' */

/** @type {View} */
export async function deletions({ signal, go, redraw }) {
    const page = await listDeletions(signal);
    const title = 'Deletions';
    const write = can('configuration:write');

    /** @param {Deletion} deletion */
    const undo = async (deletion) => {
        await restore(deletion.kind, deletion.requestId);
        toast(deletion.kind === 'webhook'
            ? 'The webhook is back, with its secret and the events it did not get.'
            : 'The configuration is back, without its allowlist and its webhooks.');
        if (signal.aborted) return;
        if (deletion.kind === 'webhook' && deletion.webhook) go(`#/webhooks/${deletion.webhook.id}`);
        else if (deletion.kind === 'configuration') go('#/configuration');
        else await redraw('Restored.');
    };

    /** @param {Deletion} deletion */
    const row = (deletion) => {
        const called = deletion.webhook ? deletion.webhook.callbackURL ?? FETCHED : deletion.configuration?.name ?? deletion.requestId;
        return {
            id: deletion.requestId,
            cells: [
                what(deletion),
                when(deletion.deletedTime),
                until(deletion.expiresTime),
                ...(write ? [deletion.restorable
                    ? h('div', { class: 'actions' }, action('restore', 'Restore', () => undo(deletion), { about: `Restore ${clip(called, 200)}` }))
                    : h('small', { class: 'quiet' }, long(deletion.reason ?? 'It cannot be restored.', 160))] : []),
            ],
        };
    };

    const list = page.deletions.length
        ? [
            table({
                id: 'deletions', caption: 'Deletions of the last ten days, newest first',
                columns: [
                    'What', { name: 'Deleted', class: 'time' }, { name: 'Can be undone until', class: 'event' },
                    ...(write ? [{ name: '', class: 'end' }] : []),
                ],
                rows: page.deletions.map(row),
            }).element,
            page.moreDeletions ? h('p', { class: 'quiet' }, 'There are more: these are the newest.') : null,
        ]
        : empty('Nothing that was deleted can be brought back. What is deleted comes here for ten days.', step('home', '#/', 'To the overview'));

    return {
        title,
        content: [head(title, { below: h('p', { class: 'prose' }, 'What was deleted in the last ten days, and can be brought back until then.') }), list],
    };
}

/** @param {Deletion} deletion */
function what({ kind, webhook, configuration, requestId }) {
    const called = webhook ? webhook.callbackURL ?? FETCHED : configuration?.name ?? requestId;
    const more = webhook ? (webhook.eventName === null ? 'all events' : name(webhook.eventName)) : TYPES[configuration?.type ?? 'generic'];
    return h('div', null,
        h('small', { class: 'quiet' }, kind === 'webhook' ? 'Webhook' : 'Configuration'),
        h('div', { class: 'url' }, long(called, 120)),
        h('small', { class: 'quiet' }, more));
}
