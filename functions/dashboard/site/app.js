// Starts the dashboard, and draws one view at a time: the one that the address's fragment names. What a view asked for is
// broken off when another is drawn, so that no answer can come too late.
import { ApiError, answeredAt, getToken, whenExpired } from './api.js';
import { append, brief, h, plain } from './dom.js';
import { announce, asApiError, dialog, errorBox, action, head, place, step, toast } from './parts.js';
import * as session from './session.js';
import { catalogue, catalogueEvent } from './views/catalogue.js';
import { changeConfiguration, configuration } from './views/configuration.js';
import { deletions } from './views/deletions.js';
import { dropped } from './views/dropped.js';
import { event } from './views/event.js';
import { overview } from './views/overview.js';
import { send } from './views/send.js';
import { askForLink, signIn, signInForm } from './views/sign-in.js';
import { webhook } from './views/webhook.js';
import { changeWebhook, newWebhook } from './views/webhook-form.js';

/** @import { Children } from './types/dom' */

/**
 * What a view gets: the parts of its address, and what it may do to the page.
 * @typedef {{
 *   parameter: string,
 *   query: URLSearchParams,
 *   signal: AbortSignal,
 *   redraw: (said?: string) => Promise<void>,
 *   go: (fragment: string) => void,
 *   replace: (fragment: string) => void,
 * }} Context
 * @typedef {{ title: string, content: Children }} Drawn
 * @typedef {(context: Context) => Promise<Drawn>} View
 */

/** @type {[RegExp, string, View][]} */
const ROUTES = [
    [/^\/?$/, 'overview', overview],
    [/^\/webhooks\/new$/, 'new-webhook', newWebhook],
    [/^\/webhooks\/([^/]+)$/, 'webhook', webhook],
    [/^\/webhooks\/([^/]+)\/change$/, 'change-webhook', changeWebhook],
    [/^\/events\/([^/]+)$/, 'event', event],
    [/^\/dropped$/, 'dropped', dropped],
    [/^\/send$/, 'send', send],
    [/^\/deletions$/, 'deletions', deletions],
    [/^\/configuration$/, 'configuration', configuration],
    [/^\/configuration\/(change|new)$/, 'change-configuration', changeConfiguration],
    [/^\/catalogue$/, 'catalogue', catalogue],
    [/^\/catalogue\/([^/]+)$/, 'catalogue-event', catalogueEvent],
];

const main = place('main');
let controller = new AbortController();
/** The fragment that is drawn, to return to from one that only carried a code. */
let drawnAt = '#/';
/** Why somebody has to sign in, where it is not for the first time. @type {string | ApiError | null} */
let notice = null;

/** @param {string} fragment */
function find(fragment) {
    const [path, search] = fragment.replace(/^#/, '').split('?');
    for (const [pattern, name, view] of ROUTES) {
        const match = pattern.exec(path);
        if (!match) continue;
        try {
            return { name, view, parameter: decodeURIComponent(match[1] ?? ''), query: new URLSearchParams(search) };
        } catch {
            break;
        }
    }
    return { name: 'not-found', view: notFound, parameter: path, query: new URLSearchParams() };
}

/** @type {View} */
async function notFound({ parameter }) {
    return {
        title: 'Not found',
        content: [
            head('There is no such page', { below: ['Nothing is at ', brief(parameter, 200), '.'] }),
            h('div', { class: 'actions' }, step('home', '#/', 'To the overview')),
        ],
    };
}

/** @type {View} */
async function notAllowed() {
    return {
        title: 'Not allowed',
        content: head('This session may not do this', { below: 'Its scopes allow something else. Ask your platform for a link with more of them.' }),
    };
}

/** @param {unknown} error @param {() => Promise<void>} again @returns {Drawn} */
function failed(error, again) {
    const { status } = asApiError(error);
    return {
        title: 'Error',
        content: [head(status === 404 ? 'This is not there' : 'This could not be shown'), errorBox(error),
            h('div', { class: 'actions' }, action('retry', 'Try again', again), step('home', '#/', 'To the overview'))],
    };
}

/** What had the focus, to be found again in a view that is drawn anew. */
function focused() {
    const element = document.activeElement?.closest('[data-action]');
    if (!(element instanceof HTMLElement) || !main.contains(element)) return null;
    const row = element.closest('[data-row]')?.getAttribute('data-row');
    return `${row ? `[data-row="${CSS.escape(row)}"] ` : ''}[data-action="${CSS.escape(element.dataset.action ?? '')}"]`;
}

/** @param {{ focus?: boolean, said?: string }} [how] */
async function draw({ focus = true, said } = {}) {
    controller.abort();
    controller = new AbortController();
    const { signal } = controller;
    const began = performance.now();
    const fragment = location.hash || '#/';
    const signedIn = session.current() !== null;
    const route = find(fragment);
    const keep = said === undefined ? null : focused();
    frame(signedIn ? fragment : null);
    // What was asked about another view is not asked any more.
    if (said === undefined) for (const open of document.querySelectorAll('dialog')) if (open.id !== 'sign-in-dialog') open.close();
    const passing = place('toast');
    if (passing.dataset.stays === 'gone' && said === undefined) passing.replaceChildren();
    if (passing.dataset.stays === 'here') passing.dataset.stays = 'gone';
    main.setAttribute('aria-busy', 'true');

    let name = route.name;
    /** @type {Drawn} */
    let drawn;
    try {
        if (!signedIn) {
            name = 'sign-in';
            drawn = await signIn(notice, admit);
        } else {
            drawn = await permitted(name, route.view)({
                parameter: route.parameter,
                query: route.query,
                signal,
                redraw: (text) => draw({ said: text ?? '' }),
                go: (to) => { location.hash = to; },
                replace: (to) => {
                    history.replaceState(null, '', to);
                    drawnAt = to;
                },
            });
        }
    } catch (error) {
        if (signal.aborted) return;
        name = 'failed';
        drawn = failed(error, () => draw());
    }
    if (signal.aborted) return;

    const content = document.createDocumentFragment();
    append(content, [drawn.content]);
    main.replaceChildren(content);
    main.dataset.view = name;
    main.removeAttribute('aria-busy');
    document.title = `${plain(drawn.title).slice(0, 120)} · Tenday`;
    if (signedIn) drawnAt = fragment;
    if (answeredAt > began) {
        main.getBoundingClientRect();
        performance.clearMeasures('drawn');
        performance.measure('drawn', { start: answeredAt, end: performance.now() });
    }
    if (said) announce(said);
    const kept = keep ? main.querySelector(keep) : null;
    if (kept instanceof HTMLElement) kept.focus();
    else if (focus) {
        main.querySelector('h1')?.focus({ preventScroll: said !== undefined });
        if (said === undefined) scrollTo(0, 0);
    }
}

/** @param {string} name @param {View} view @returns {View} */
function permitted(name, view) {
    const needs = name === 'send' ? session.can('links:test') || session.can('configuration:write')
        : name.startsWith('new-') || name.startsWith('change-') ? session.can('configuration:write') && session.can('configuration:read')
            : name === 'not-found' || session.can('configuration:read');
    return needs ? view : notAllowed;
}

/** The frame around a view: where one can go, who is signed in, whether the session has ended.
 * @param {string | null} fragment */
function frame(fragment) {
    const now = session.current();
    place('frame').hidden = fragment === null;
    document.body.classList.toggle('signed-in', fragment !== null);
    place('who').textContent = now?.developer ?? '';
    place('read-only').hidden = session.can('configuration:write');
    for (const anchor of place('nav').querySelectorAll('a')) {
        anchor.hidden = !(anchor.dataset.needs ?? '').split(' ').some((scope) => session.can(/** @type {session.Scope} */ (scope)));
        const to = anchor.getAttribute('href') ?? '';
        const here = fragment !== null && (to === '#/' ? /^#\/?$|^#\/(webhooks|events)/.test(fragment) : fragment.startsWith(to));
        if (here) anchor.setAttribute('aria-current', 'page');
        else anchor.removeAttribute('aria-current');
    }
    watchEnd();
}

/** @type {ReturnType<typeof setTimeout> | undefined} */
let end;

/** Says when the session is over, and no sooner: whoever is typing is not interrupted. */
function watchEnd() {
    clearTimeout(end);
    const now = session.current();
    place('expired').hidden = now === null || place('frame').hidden || !session.isOver();
    if (now && !session.isOver()) end = setTimeout(watchEnd, Math.min(now.expires - Date.now() + 50, 2 ** 31 - 1));
}

/** Exchanges a grant for a session. The same developer as before stays where they are.
 * @param {Record<string, string>} grant */
async function admit(grant) {
    const before = session.current()?.developer ?? null;
    const { developer } = session.begin(await getToken(grant));
    notice = null;
    if (before === developer && main.dataset.view !== 'sign-in') {
        frame(drawnAt);
        announce('You are signed in again.');
        return;
    }
    place('toast').replaceChildren();
    if (before !== null && before !== developer) history.replaceState(null, '', '#/');
    if (!session.can('configuration:read') && session.can('links:test') && /^(#\/?)?$/.test(location.hash)) history.replaceState(null, '', '#/send');
    await draw();
}

/** The code of a session link, taken out of the address at once: it must not stay in the history. */
function takeCode() {
    const match = /^#code=(.*)$/.exec(location.hash);
    if (!match) return null;
    history.replaceState(null, '', drawnAt);
    return match[1];
}

/** @param {string} code */
async function enterByCode(code) {
    try {
        await admit({ grant_type: 'authorization_code', code: decodeURIComponent(code) });
    } catch (cause) {
        const error = asApiError(cause instanceof URIError ? new Error('The link is not whole.') : cause);
        const told = new ApiError(error.status, error.code, `This link does not let you in: ${error.message} A link works once, \
for five minutes. Ask your platform for a new one, or sign in with a client's id and secret.`, error);
        const open = document.querySelector('#sign-in-dialog .form-actions');
        if (open) {
            open.before(errorBox(told));
        } else if (session.current()) {
            toast(told.message);
        } else {
            notice = told;
            await draw();
        }
    }
}

/** @type {Promise<boolean> | null} */
let asking = null;

/** Asks for a new sign-in above whatever is open. */
function renew() {
    asking ??= ask().finally(() => { asking = null; });
    return asking;
}

async function ask() {
    const before = session.current();
    if (!before) return false;
    const changed = new AbortController();
    await dialog('sign-in-dialog', 'Your session has ended', (close) => {
        session.onChange(() => close('signed-in'), changed.signal);
        return [
            'Sign in again to go on. What you typed is kept, and what you asked for is done then.',
            signInForm(admit),
            askForLink(admit),
        ];
    });
    changed.abort();
    const now = session.current();
    watchEnd();
    return now !== null && now !== before && now.developer === before.developer;
}

function signOut() {
    controller.abort();
    session.end();
    for (const open of document.querySelectorAll('dialog')) open.close();
    place('toast').replaceChildren();
    notice = 'You are signed out: this tab has forgotten the session.';
    drawnAt = '#/';
    history.replaceState(null, '', '#/');
    void draw();
}

document.addEventListener('click', (click) => {
    const name = click.target instanceof Element ? click.target.closest('[data-action]')?.getAttribute('data-action') : null;
    if (name === 'sign-out') signOut();
    if (name === 'sign-in-again') void renew();
    if (name === 'skip') {
        click.preventDefault();
        main.focus();
    }
    // Where one already is, asked for again: it is looked up anew.
    const anchor = click.target instanceof Element ? click.target.closest('a[href^="#/"]') : null;
    if (anchor && !click.defaultPrevented && anchor.getAttribute('href') === (location.hash || '#/')) {
        click.preventDefault();
        void draw();
    }
});

addEventListener('hashchange', () => {
    const code = takeCode();
    if (code !== null) void enterByCode(code);
    else void draw();
});

document.addEventListener('visibilitychange', watchEnd);
whenExpired(renew);

const code = takeCode();
if (session.isOver()) notice = 'Your session has ended. Sign in again, or open a new link from your platform.';
// A link means somebody anew, also where it is refused.
if (session.isOver() || code !== null) session.end();
if (code === null) void draw({ focus: false });
else void enterByCode(code);
