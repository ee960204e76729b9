// Signing in: with a client's id and secret, or by a link from the platform.
import { h } from '../dom.js';
import { form, field, Mistake, value } from '../forms.js';
import { busy, errorBox, head, place } from '../parts.js';

/** @import { Drawn } from '../app.js' */

/** @typedef {(grant: Record<string, string>) => Promise<void>} Admit */

/** The form, as index.html has it.
 * @param {Admit} admit */
export function signInForm(admit) {
    const template = place('sign-in-template');
    if (!(template instanceof HTMLTemplateElement)) throw new Error('#sign-in-template is not a template');
    const element = template.content.querySelector('form')?.cloneNode(true);
    if (!(element instanceof HTMLFormElement)) throw new Error('#sign-in-template has no form');
    element.addEventListener('submit', (event) => {
        event.preventDefault();
        const button = element.querySelector('button');
        if (!button) return;
        void busy(button, async () => {
            const [id, secret] = [value(element, 'client_id'), value(element, 'client_secret')];
            if (!id || !secret) throw new Error('Fill in both: the client id and the client secret.');
            await admit({ grant_type: 'client_credentials', client_id: id, client_secret: secret });
        });
    });
    return element;
}

/** Where a new link can be pasted: opening it elsewhere would not bring back what is typed here.
 * @param {Admit} admit */
export function askForLink(admit) {
    return form('session-link', [field({
        name: 'link', label: 'Or paste a new link from your platform',
        control: h('input', { autocapitalize: 'none', spellcheck: 'false' }),
    })], { submit: 'Use the link', action: 'use-link', kind: 'plain' }, async (element) => {
        const [, code] = /(?:#|^)code=(.+)$/.exec(value(element, 'link')) ?? [];
        if (!code) throw new Mistake('link', 'This is not a session link: it would end in #code=….');
        await admit({ grant_type: 'authorization_code', code: decodeURIComponent(code) });
    });
}

/** @param {string | Error | null} notice @param {Admit} admit @returns {Promise<Drawn>} */
export async function signIn(notice, admit) {
    return {
        title: 'Sign in',
        content: h('div', { class: 'door' },
            head('Sign in', { below: 'What arrives at your webhooks, what does not, and why.' }),
            notice instanceof Error ? errorBox(notice) : notice ? h('p', { class: 'notice', role: 'status' }, notice) : null,
            signInForm(admit),
            h('p', { class: 'quiet small' },
                'Or open the link that your platform gives you. Either way this tab alone keeps the session, until you sign out or close it.')),
    };
}
