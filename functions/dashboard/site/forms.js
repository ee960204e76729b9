// Forms: fields with labels, hints and what is wrong with them, and sending what was filled in.
import { append, h } from './dom.js';
import { busy, errorBox } from './parts.js';
import { ApiError } from './api.js';

/** @import { Attributes, Children } from './types/dom' */

let ids = 0;

/**
 * A labelled control with its hint, and a place for what is wrong with it.
 * @param {{ name: string, label: Children, hint?: Children, control: HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement }} field
 */
export function field({ name, label, hint, control }) {
    const id = `field-${name}-${++ids}`;
    control.id = id;
    control.setAttribute('name', name);
    if (hint) control.setAttribute('aria-describedby', `${id}-hint`);
    return h('div', { class: 'field' },
        h('label', { for: id }, label),
        hint ? h('p', { class: 'hint', id: `${id}-hint` }, hint) : null,
        control);
}

/** @param {[string, Children][]} options @param {string | null} [chosen] @param {Attributes} [more] */
export function select(options, chosen, more) {
    return h('select', more ?? null, options.map(([value, label]) => h('option', { value, selected: value === chosen }, label)));
}

/** @param {HTMLFormElement} form @param {string} name */
export function value(form, name) {
    const control = form.elements.namedItem(name);
    return control instanceof HTMLInputElement || control instanceof HTMLSelectElement || control instanceof HTMLTextAreaElement ? control.value.trim() : '';
}

/** Something in a form that can be seen to be wrong without asking. */
export class Mistake extends Error {
    /** @param {string} field @param {string} message */
    constructor(field, message) {
        super(message);
        this.field = field;
    }
}

/** @param {HTMLFormElement} form */
function clear(form) {
    for (const old of form.querySelectorAll('.field-error, .error')) old.remove();
    for (const control of form.querySelectorAll('[aria-invalid]')) {
        control.removeAttribute('aria-invalid');
        const described = (control.getAttribute('aria-describedby') ?? '').split(' ').filter((id) => id && !id.endsWith('-error')).join(' ');
        if (described) control.setAttribute('aria-describedby', described);
        else control.removeAttribute('aria-describedby');
    }
}

/** Puts a message next to the field it is about; false if there is no such field.
 * @param {HTMLFormElement} form @param {string} name @param {string} message */
function blame(form, name, message) {
    const control = form.elements.namedItem(name);
    if (!(control instanceof HTMLElement)) return false;
    const id = `${control.id}-error`;
    const known = document.getElementById(id);
    if (known) {
        known.append(' ', message);
        return true;
    }
    control.setAttribute('aria-invalid', 'true');
    control.setAttribute('aria-describedby', `${control.getAttribute('aria-describedby') ?? ''} ${id}`.trim());
    control.after(h('p', { class: 'field-error', id }, message));
    return true;
}

/** Where in a field: an entry of a list is counted as people count.
 * @param {string[]} path */
function within(path) {
    return path.map((part) => (/^\d+$/.test(part) ? `entry ${Number(part) + 1}` : part)).join(', ');
}

/** Shows what went wrong: next to its fields where it says which, above the buttons otherwise. Nothing that was typed is lost.
 * @param {HTMLFormElement} form @param {unknown} error @param {Record<string, string>} names fields that are called otherwise here */
function show(form, error, names) {
    const problems = error instanceof Mistake ? [{ name: error.field, message: error.message }]
        : error instanceof ApiError ? error.fields.map(({ location, message }) => {
            const path = location[0] === 'body' ? location.slice(1) : location;
            const name = path[0] ?? '';
            return { name: names[name] ?? name, message: path.length > 1 ? `${within(path.slice(1))}: ${message}` : message };
        }) : [];
    const shown = problems.filter(({ name, message }) => blame(form, name, message));
    const first = form.querySelector('[aria-invalid]');
    if (!(error instanceof Mistake) || shown.length < problems.length || !problems.length) {
        form.querySelector('.form-actions')?.before(errorBox(error));
    }
    if (first instanceof HTMLElement) first.focus();
}

/**
 * A form that is sent by script: while it is, it cannot be sent again; when that fails, everything stays as it was typed.
 * @param {string} name @param {Children[]} fields
 * @param {{
 *   submit: string, action: string, kind?: 'primary' | 'danger' | 'plain', beside?: Children,
 *   names?: Record<string, string>, class?: string,
 * }} how
 * @param {(form: HTMLFormElement) => Promise<unknown>} send
 */
export function form(name, fields, how, send) {
    const button = h('button', { type: 'submit', class: how.kind ?? 'primary', 'data-action': how.action }, how.submit);
    const element = h('form', {
        name, class: how.class ?? 'form', novalidate: true, autocomplete: 'off',
        onsubmit: (/** @type {SubmitEvent} */ event) => {
            event.preventDefault();
            void busy(button, async () => {
                clear(element);
                try {
                    await send(element);
                } catch (error) {
                    if (element.isConnected && !(error instanceof DOMException && error.name === 'AbortError')) show(element, error, how.names ?? {});
                }
            });
        },
    });
    append(element, [...fields, h('div', { class: 'actions form-actions' }, button, how.beside ?? null)]);
    return element;
}

/** Delays as people write them: seconds, or 30s, 5m, 1h, 1d, with commas or spaces between. Null where nothing is written.
 * @param {string} text @param {string} field */
export function schedule(text, field) {
    const words = text.split(/[\s,;]+/).filter(Boolean);
    if (!words.length) return null;
    return words.map((word) => {
        const [, amount, unit] = /^(\d+)(s|m|min|h|d)?$/.exec(word) ?? [];
        if (!amount) throw new Mistake(field, `“${word}” is not a delay. Write seconds, or 30s, 5m, 1h.`);
        return Number(amount) * { s: 1, m: 60, min: 60, h: 3600, d: 86400 }[/** @type {'s'} */ (unit ?? 's')];
    });
}

/** Delays as `schedule` reads them.
 * @param {number[] | null | undefined} seconds */
export function written(seconds) {
    return (seconds ?? []).map((s) => (s % 3600 === 0 ? `${s / 3600}h` : s % 60 === 0 ? `${s / 60}m` : `${s}s`)).join(', ');
}
