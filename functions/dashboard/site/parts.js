// What several views show: heads, badges, tables, errors, buttons that do something, dialogs and toasts.
import { ApiError, viewCatalogue } from './api.js';
import { append, brief, h, name, number, plain, said } from './dom.js';
import { OUTCOMES, OUTCOMES_MEAN, STATES } from './words.js';

/** @import { Attributes, Child, Children } from './types/dom' */

/** The one element with this id, which index.html has.
 * @param {string} id */
export function place(id) {
    const element = document.getElementById(id);
    if (!element) throw new Error(`index.html has no #${id}`);
    return element;
}

/** Says something to whoever listens and does not look.
 * @param {string} text */
export function announce(text) {
    const region = place('status');
    region.textContent = '';
    // A region that is filled in the same breath in which it was emptied is not read when the text is the same.
    setTimeout(() => { region.textContent = plain(text); }, 50);
}

/** The head of a view: its h1, what stands beside it, and what can be done.
 * @param {Children} title @param {{ above?: Children, beside?: Children, below?: Children, actions?: Children }} [more] */
export function head(title, { above, beside, below, actions } = {}) {
    return h('header', { class: 'head' },
        above ? h('p', { class: 'above' }, above) : null,
        h('div', { class: 'title' }, h('h1', { tabindex: -1 }, title), beside ?? null),
        below ? h('div', { class: 'below' }, below) : null,
        actions ? h('div', { class: 'actions' }, actions) : null);
}

/** @param {Children} title @param {...Children} children */
export function section(title, ...children) {
    return h('section', null, h('h2', null, title), ...children);
}

/** @param {[Children, Children][]} pairs */
export function facts(pairs) {
    return h('dl', { class: 'facts' }, pairs.map(([name, value]) => h('div', null, h('dt', null, name), h('dd', null, value))));
}

/** @param {string} status @param {string} [label] */
export function badge(status, label = STATES[status] ?? OUTCOMES[status] ?? status) {
    return h('span', { class: 'badge', 'data-status': status, title: OUTCOMES_MEAN[status] }, label);
}

/** @param {{ test?: boolean }} event */
export function testBadge(event) {
    return event.test ? h('span', { class: 'badge', 'data-status': 'test', title: 'An example that was asked for: nothing happened to a link' }, 'Test') : null;
}

/** What a webhook takes.
 * @param {{ eventName: string | null, eventNames?: string[], linkIds?: string[], boundLinks?: number | null }} webhook @returns {Children} */
export function taken({ eventName, eventNames, linkIds, boundLinks }) {
    const names = eventName === null ? eventNames ?? [] : [eventName];
    const links = linkIds?.length ?? boundLinks;
    return [
        names.length ? names.map((one, i) => [i ? ', ' : null, h('code', null, name(one))]) : h('span', { class: 'quiet' }, 'all events'),
        links ? h('small', { class: 'quiet' }, ` of ${number(links, 'link')}`) : null,
    ];
}

/** An event's name, which leads to it, and its id for whoever only hears it.
 * @param {{ id: string, eventName: string, test?: boolean }} event */
export function eventLink(event) {
    return [link(`#/events/${event.id}`, [name(event.eventName), h('span', { class: 'unseen' }, ` ${event.id}`)]), ' ', testBadge(event)];
}

/** What an attempt came to: a word, and the receiver's status.
 * @param {{ outcome: string, responseCode: string | null }} attempt */
export function outcome(attempt) {
    return h('span', { class: 'outcome' }, badge(attempt.outcome), attempt.responseCode ? [' ', h('code', null, brief(attempt.responseCode, 12))] : null);
}

/** A link within the site.
 * @param {string} href @param {Children} text @param {Attributes} [more] */
export function link(href, text, more) {
    return h('a', { href, ...more }, text);
}

/** What a list says that has nothing: and what to do about it.
 * @param {Children} text @param {Children} [actions] */
export function empty(text, actions) {
    return h('div', { class: 'empty' }, h('p', null, text), actions ? h('div', { class: 'actions' }, actions) : null);
}

/**
 * A table; narrow screens show each row as a card, with the names of the columns beside the values. The roles are said
 * outright, because browsers forget them when the display changes.
 * @param {{ id: string, caption: string, columns: (string | { name: string, class?: string })[], rows: { id: string, cells: Children[] }[] }} table
 */
export function table({ id, caption, columns, rows }) {
    const heads = columns.map((column) => (typeof column === 'string' ? { name: column, class: undefined } : column));
    const body = h('tbody', { role: 'rowgroup' });
    /** @param {{ id: string, cells: Children[] }[]} more */
    const add = (more) => append(body, more.map((row) => h('tr', { role: 'row', 'data-row': row.id },
        row.cells.map((cell, i) => (i === 0
            ? h('th', { role: 'rowheader', scope: 'row', class: heads[i].class }, cell)
            : h('td', { role: 'cell', 'data-label': heads[i].name, class: heads[i].class }, cell))))));
    add(rows);
    const element = h('table', { id, role: 'table', class: 'list' },
        h('caption', { class: 'unseen' }, caption),
        h('thead', { role: 'rowgroup' }, h('tr', { role: 'row' }, heads.map((column) =>
            h('th', { role: 'columnheader', scope: 'col', class: column.class }, column.name || h('span', { class: 'unseen' }, 'Actions'))))),
        body);
    return { element, add, body };
}

/** @param {string} text @param {string} what */
export function copyButton(text, what) {
    const button = h('button', {
        type: 'button', class: 'copy', 'data-action': 'copy', 'aria-label': `Copy ${what}`,
        onclick: async () => {
            try {
                await navigator.clipboard.writeText(text);
                button.textContent = 'Copied';
                announce(`Copied ${what}`);
            } catch {
                button.textContent = 'Not allowed';
                announce('The browser does not let this page copy. Select the text instead.');
            }
            setTimeout(() => { button.textContent = 'Copy'; }, 1600);
        },
    }, 'Copy');
    return button;
}

/** @param {string} text @param {string} what */
export function copyable(text, what) {
    return h('span', { class: 'copyable' }, h('code', null, said(text)), ' ', copyButton(text, what));
}

/** A block of text as it is, with a button that copies it.
 * @param {string} id @param {string} text @param {string} what */
export function block(id, text, what) {
    return h('div', { class: 'block' },
        copyButton(text, what),
        h('pre', { id, tabindex: 0, role: 'group', 'aria-label': what }, h('code', null, said(text))));
}

/** The documented example of an event.
 * @param {unknown} example */
export function example(example) {
    return example === undefined ? h('p', { class: 'quiet' }, 'There is none.') : block('example', JSON.stringify(example, null, 2), 'the example');
}

/** @param {unknown} error */
export function asApiError(error) {
    if (error instanceof ApiError) return error;
    return new ApiError(0, 'page', error instanceof Error ? error.message : String(error));
}

/** @param {unknown} cause */
export function errorBox(cause) {
    const error = asApiError(cause);
    const documented = error.code.includes('.');
    return h('div', { class: 'error', role: 'alert', 'data-code': error.code },
        h('p', null, said(error.message)),
        documented || error.requestId ? h('p', { class: 'quiet small' },
            documented ? [h('a', { href: `/docs#${error.code}` }, error.code), ' '] : null,
            error.requestId ? [
                h('span', null, 'Request ', h('code', { class: 'request-id' }, said(error.requestId)), ' ', copyButton(error.requestId, 'the request id')),
            ] : null) : null,
        documented ? remedy(error.code) : null);
}

/** What can be done about an error, in more words than its message has.
 * @param {string} code */
function remedy(code) {
    const text = h('p', null, '…');
    const details = h('details', {
        class: 'small', ontoggle: async () => {
            if (!details.open || text.dataset.told) return;
            text.dataset.told = code;
            try {
                text.textContent = (await viewCatalogue()).errors[code]?.do ?? 'The reference says more.';
            } catch (error) {
                text.textContent = asApiError(error).message;
                delete text.dataset.told;
            }
        },
    }, h('summary', null, 'What to do'), text);
    return details;
}

/** Nothing a button can do twice while it does it, and what goes wrong stands under it, or under its row.
 * @param {HTMLButtonElement} button @param {() => Promise<unknown> | unknown} run */
export async function busy(button, run) {
    if (button.getAttribute('aria-busy') === 'true') return;
    const row = button.closest('tr');
    const around = row ?? button.closest('.actions') ?? button;
    if (around.nextElementSibling?.matches('.error, .row-error')) around.nextElementSibling.remove();
    button.setAttribute('aria-busy', 'true');
    try {
        await run();
    } catch (error) {
        if (!(error instanceof DOMException && error.name === 'AbortError')) {
            around.after(row
                ? h('tr', { role: 'row', class: 'row-error' }, h('td', { role: 'cell', colspan: row.cells.length }, errorBox(error)))
                : errorBox(error));
        }
    } finally {
        button.removeAttribute('aria-busy');
    }
}

/** A button that does something, which may take a while or fail.
 * @param {string} name @param {Children} label @param {() => Promise<unknown> | unknown} run
 * @param {{ kind?: 'primary' | 'danger' | 'plain', about?: string }} [more] */
export function action(name, label, run, { kind = 'plain', about } = {}) {
    const button = h('button', { type: 'button', class: kind, 'data-action': name, 'aria-label': about, onclick: () => busy(button, run) }, label);
    return button;
}

/** A link that looks as what it is for: the next step.
 * @param {string} name @param {string} href @param {Children} label @param {'primary' | 'plain'} [kind] */
export function step(name, href, label, kind = 'plain') {
    return h('a', { href, class: `button ${kind}`, 'data-action': name }, label);
}

/** Opens a dialog; what it ends with, or null if it is closed otherwise.
 * @param {string} id @param {string} title @param {(close: (value: string) => void) => Children} content @returns {Promise<string | null>} */
export function dialog(id, title, content) {
    return new Promise((resolve) => {
        /** @type {string | null} */
        let result = null;
        const element = h('dialog', { id, 'aria-labelledby': `${id}-title` });
        append(element, [h('h2', { id: `${id}-title` }, title), content((value) => {
            result = value;
            element.close();
        })]);
        element.addEventListener('close', () => {
            element.remove();
            resolve(result);
        });
        document.body.append(element);
        element.showModal();
    });
}

/** Asks before what cannot be taken back at once.
 * @param {{ title: string, text: Children, confirm: string, danger?: boolean }} question @returns {Promise<boolean>} */
export async function confirmed({ title, text, confirm, danger = false }) {
    const answer = await dialog('confirm', title, (close) => [
        h('div', { class: 'prose' }, text),
        h('div', { class: 'actions' },
            h('button', { type: 'button', class: danger ? 'danger' : 'primary', 'data-action': 'confirm', onclick: () => close('yes') }, confirm),
            h('button', { type: 'button', class: 'plain', 'data-action': 'cancel', autofocus: true, onclick: () => close('no') }, 'Cancel')),
    ]);
    return answer === 'yes';
}

/** What was just done, with a way back where there is one. With a way back it stays until it is dismissed
 * or something else is done; without one, until somebody goes on.
 * @param {string} text @param {{ undo?: () => Promise<unknown>, more?: Child }} [way] */
export function toast(text, { undo, more } = {}) {
    const region = place('toast');
    region.replaceChildren();
    region.dataset.stays = undo ? 'yes' : 'here';
    append(region, [
        h('p', null, text),
        h('div', { class: 'actions' },
            undo ? action('undo', 'Undo', undo) : null,
            more,
            action('dismiss', 'Dismiss', () => region.replaceChildren())),
    ]);
}
