// Who is signed in, and what the token lets them do. The token lives in this tab's sessionStorage and nowhere else: closing
// the tab forgets it, and it is never part of an address.

/** @import { TokenAnswer } from './types/api' */

const KEY = 'tenday.session';

/** @typedef {{ token: string, scopes: string[], expires: number, developer: string }} Session */
/** @typedef {'configuration:read' | 'configuration:write' | 'links:test'} Scope */

/** @type {Session | null} */
let session = restore();
const changes = new EventTarget();

/** @returns {Session | null} */
function restore() {
    try {
        const kept = JSON.parse(sessionStorage.getItem(KEY) ?? 'null');
        return kept && typeof kept.token === 'string' && Array.isArray(kept.scopes) ? kept : null;
    } catch {
        return null;
    }
}

export const current = () => session;
export const isOver = () => session !== null && session.expires <= Date.now();

/** @param {Scope} scope */
export const can = (scope) => session?.scopes.includes(scope) ?? false;

/** @param {() => void} listener @param {AbortSignal} signal */
export const onChange = (listener, signal) => changes.addEventListener('change', listener, { signal });

/** Whose token it is: shown, and compared with who was signed in before. The API alone decides what it is good for.
 * @param {string} token @returns {string | null} */
function developerOf(token) {
    try {
        const payload = token.split('.')[1].replaceAll('-', '+').replaceAll('_', '/');
        return JSON.parse(atob(payload)).developer_id ?? null;
    } catch {
        return null;
    }
}

/** @param {TokenAnswer} answer @returns {Session} */
export function begin(answer) {
    const developer = developerOf(answer.access_token);
    if (developer === null) {
        throw new Error("This client is the platform's. The dashboard shows a developer's webhooks: sign in with a developer's client.");
    }
    session = {
        token: answer.access_token,
        scopes: answer.scope.split(' '),
        expires: Date.now() + answer.expires_in * 1000,
        developer,
    };
    sessionStorage.setItem(KEY, JSON.stringify(session));
    changes.dispatchEvent(new Event('change'));
    return session;
}

export function end() {
    session = null;
    sessionStorage.removeItem(KEY);
    changes.dispatchEvent(new Event('change'));
}
