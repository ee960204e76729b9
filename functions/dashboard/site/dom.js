// Data into DOM. Nothing here takes HTML: what others wrote becomes text nodes and attribute values, and stays text.

/** @import { Attributes, Children } from './types/dom' */

/** Only into this site: a fragment, or the reference. What a link leads to is never data of others.
 * @param {string} href */
export function isOurs(href) {
    return href.startsWith('#') || href === '/docs' || href.startsWith('/docs#');
}

/**
 * An element. A function is a listener (`onclick`), `true` an attribute without a value; `false`, null and undefined are left out.
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Attributes | null} [attributes]
 * @param {...Children} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function h(tag, attributes, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes ?? {})) {
        if (value === false || value === null || value === undefined) continue;
        if (typeof value === 'function') {
            element.addEventListener(name.slice(2), value);
            continue;
        }
        const text = value === true ? '' : String(value);
        if (name.startsWith('on') || name === 'style' || (name === 'href' && !isOurs(text))) {
            throw new TypeError(`not an attribute that is set here: ${name}`);
        }
        element.setAttribute(name, text);
    }
    append(element, children);
    return element;
}

/** @param {ParentNode} parent @param {Children[]} children */
export function append(parent, children) {
    for (const child of children) {
        if (child === false || child === null || child === undefined) continue;
        if (Array.isArray(child)) append(parent, child);
        else parent.append(typeof child === 'number' ? String(child) : child);
    }
}

/** What others wrote, kept apart from the text around it whatever its direction.
 * @param {string | null | undefined} text */
export function said(text) {
    return h('bdi', null, text ?? '');
}

/** What others wrote, of any length: the beginning, and all of it when asked.
 * @param {string} text @param {number} [limit] */
export function long(text, limit = 280) {
    if (text.length <= limit) return said(text);
    const start = text.slice(0, Math.min(limit, 160)).trimEnd();
    return h('details', { class: 'long' },
        h('summary', null, said(`${start}…`), ' ', h('small', null, `${text.length.toLocaleString(LOCALE)} characters`)),
        h('div', { class: 'long-all', tabindex: 0, role: 'group', 'aria-label': 'The whole text' }, said(text)));
}

/** @param {string} text */
export function code(text) {
    return h('code', null, long(text));
}

/** An id that is too long for its place: events begin with their moment, all others end with what tells them apart.
 * @param {string} id */
export function shortId(id) {
    const short = id.startsWith('EVT-') ? `${id.slice(0, 18)}…` : `${id.slice(0, 4)}…${id.slice(-6)}`;
    return h('code', { title: id, class: 'short-id' }, short);
}

/** The texts of the page's title and of what is read aloud, without marks that turn the text around them.
 * @param {string} text */
export function plain(text) {
    // eslint-disable-next-line no-control-regex -- these are the ones to take out
    return text.replace(/[\u0000-\u001f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, '');
}

/** A moment as the API writes it: ISO, UTC or seconds.
 * @param {string | number} value */
export function moment(value) {
    return new Date(typeof value === 'number' ? value * 1000 : /^\d+$/.test(value) ? Number(value) * 1000 : value);
}

/** The pages are in English: their dates and numbers too, as the place writes them. */
const LOCALE = navigator.languages.find((language) => /^en\b/.test(language)) ?? 'en-GB';
const short = new Intl.DateTimeFormat(LOCALE, { day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit', second: '2-digit' });
const full = new Intl.DateTimeFormat(LOCALE, { dateStyle: 'full', timeStyle: 'long' });

/** The place's own time, with the whole moment behind it.
 * @param {string | number | null | undefined} value @param {string} [none] */
export function when(value, none = 'never') {
    if (value === null || value === undefined) return h('span', { class: 'quiet' }, none);
    const date = moment(value);
    if (Number.isNaN(date.getTime())) return said(String(value));
    return h('time', { datetime: date.toISOString(), title: `${full.format(date)} (${date.toISOString()})` }, short.format(date));
}

const units = /** @type {const} */ ([[86400, 'day'], [3600, 'hour'], [60, 'minute'], [1, 'second']]);
const relative = new Intl.RelativeTimeFormat(LOCALE, { numeric: 'always' });

/** @param {string | number} value */
function fromNow(value) {
    const seconds = Math.round((moment(value).getTime() - Date.now()) / 1000);
    const [size, unit] = units.find(([size]) => Math.abs(seconds) >= size) ?? units[3];
    return relative.format(Math.round(seconds / size), unit);
}

/** A moment with how far it is from now.
 * @param {string | number} value */
export function until(value) {
    return h('span', null, when(value), ' ', h('small', { class: 'quiet' }, `(${fromNow(value)})`));
}

/** Until when something waits that may be over by now.
 * @param {string | number} value */
export function due(value) {
    return moment(value).getTime() > Date.now() ? until(value) : h('span', null, 'now: any moment');
}

/** How far a moment is from now, with the moment behind it.
 * @param {string | number} value */
export function soon(value) {
    const time = when(value);
    if (time instanceof HTMLTimeElement) time.textContent = moment(value).getTime() <= Date.now() ? 'any moment now' : fromNow(value);
    return time;
}

/** @param {string} text @param {number} limit */
export function clip(text, limit) {
    return text.length > limit ? `${text.slice(0, limit).trimEnd()}…` : text;
}

/** The beginning of what others wrote, where all of it is a step away.
 * @param {string} text @param {number} limit */
export function brief(text, limit) {
    return said(clip(text, limit));
}

/** A name with the places where it may be broken.
 * @param {string} name */
export function name(name) {
    if (name.length > 80) return brief(name, 80);
    return h('bdi', { class: 'name' }, ...name.split(/(?<=[._])/).flatMap((part, i) => (i ? [h('wbr'), part] : [part])));
}

/** @param {number} seconds */
export function duration(seconds) {
    const parts = units.map(([size, unit], i) => {
        const above = i === 0 ? Infinity : units[i - 1][0];
        return [Math.floor((seconds % above) / size), { day: 'd', hour: 'h', minute: 'min', second: 's' }[unit]];
    });
    return parts.filter(([n]) => n).map(([n, unit]) => `${n} ${unit}`).join(' ') || '0 s';
}

/** @param {number} count @param {string} one @param {string} [many] */
export function number(count, one, many = `${one}s`) {
    return `${count.toLocaleString(LOCALE)} ${count === 1 ? one : many}`;
}
