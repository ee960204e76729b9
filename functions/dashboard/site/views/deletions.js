// Deletions that can still be undone.
import { listDeletions, restore } from '../api.js';
import { h, long, number, said, until, when } from '../dom.js';
import { action, announce, empty, head, step, table, toast } from '../parts.js';
import { can } from '../session.js';
import { TYPES } from '../words.js';

/** @typedef {import('../types/api').Deletion} Deletion */

/** @type {import('../app.js').View} */
export async function deletions({ signal, go, redraw }) {
    const page = await listDeletions(null, signal);
    const title = 'Deletions';
    const write = can('configuration:write');

    /** @param {Deletion} deletion */
    const undo = async (deletion) => {
        await restore(deletion.kind, deletion.requestId);
        toast(deletion.kind === 'webhook' ? 'The webhook is back, with its secret and the events it did not get.' : 'The configuration is back, without its allowlist and its webhooks.');
        if (signal.aborted) return;
        if (deletion.kind === 'webhook' && deletion.webhook) go(`#/webhooks/${deletion.webhook.id}`);
        else if (deletion.kind === 'configuration') go('#/configuration');
        else await redraw('Restored.');
    };

    /** @param {Deletion} deletion */
    const row = (deletion) => ({
        id: deletion.requestId,
        cells: [
            what(deletion),
            when(deletion.deletedTime),
            until(deletion.expiresTime),
            ...(write ? [deletion.restorable
                ? h('div', { class: 'actions' }, action('restore', 'Restore', () => undo(deletion), { about: `Restore ${deletion.webhook?.callbackURL ?? deletion.configuration?.name ?? deletion.requestId}`.slice(0, 200) }))
                : h('small', { class: 'quiet' }, said(deletion.reason ?? 'It cannot be restored.'))] : []),
        ],
    });

    /** @returns {import('../types/dom').Children[]} */
    const list = () => {
        if (!page.deletions.length && !page.nextCursor) return [empty('Nothing that was deleted can be brought back. What is deleted comes here for ten days.', step('home', '#/', 'To the overview'))];
        const { element, add } = table({
            id: 'deletions', caption: 'Deletions of the last ten days, newest first',
            columns: ['What', { name: 'Deleted', class: 'time' }, { name: 'Can be undone until', class: 'event' }, ...(write ? [{ name: '', class: 'end' }] : [])],
            rows: page.deletions.map(row),
        });
        const place = h('div', null, element);
        /** @param {string | null | undefined} cursor */
        const more = (cursor) => {
            if (!cursor) return;
            const line = h('div', { class: 'actions' }, action('more', 'Older deletions', async () => {
                const next = await listDeletions(cursor, signal);
                line.remove();
                add(next.deletions.map(row));
                announce(`${number(next.deletions.length, 'older deletion')} shown.`);
                more(next.nextCursor);
            }));
            place.append(line);
        };
        more(page.nextCursor);
        return [place];
    };

    return {
        title,
        content: [head(title, { below: h('p', { class: 'prose' }, 'What was deleted in the last ten days, and can be brought back until then.') }), ...list()],
    };
}

/** @param {Deletion} deletion */
function what({ kind, webhook, configuration, requestId }) {
    const detail = webhook ? [long(webhook.callbackURL, 120), ' ', h('small', { class: 'quiet' }, webhook.eventName === null ? 'all events' : said(webhook.eventName))]
        : configuration ? [said(configuration.name ?? 'without a name'), ' ', h('small', { class: 'quiet' }, TYPES[configuration.type ?? 'generic'])] : [h('code', null, requestId)];
    return h('div', null, h('small', { class: 'quiet' }, kind === 'webhook' ? 'Webhook' : 'Configuration'), h('div', { class: 'url' }, detail));
}
