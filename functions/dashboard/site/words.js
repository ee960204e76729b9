// What the API's words mean, in a sentence: for people who look at them for the first time.

/** @import { AddressReason, DateFormat, DropReason, JobStatus, LinkEvent, Outcome, State, Type, Words } from './types/api' */

/** @type {Words<Outcome>} */
export const OUTCOMES = {
    success: 'Success',
    http_status: 'Refused',
    gone: 'Gone',
    timeout: 'Timed out',
    connection: 'No connection',
    tls: 'TLS failed',
    dns: 'Name unknown',
    blocked: 'Blocked',
    excessive: 'Too much',
    rejected: 'Reported as failed',
};

/** @type {Words<Outcome>} */
export const OUTCOMES_MEAN = {
    success: 'The receiver answered with a status from 200 to 299, or it was fetched and acknowledged.',
    http_status: 'The receiver answered with a status that is not a success. Redirects are never followed.',
    gone: 'The receiver answered 410, which disables the webhook.',
    timeout: 'The receiver did not answer in time.',
    connection: 'No connection came about, or it broke off before the answer.',
    tls: 'The TLS handshake failed: look at the certificate and its chain.',
    dns: "The callback's host does not resolve.",
    blocked: "The callback's host resolves to an address that is not in the allowlist, or to a special one.",
    excessive: 'The answer was far larger than an answer needs to be.',
    rejected: 'It was fetched, and reported as failed.',
};

/** @type {Words<DropReason>} */
export const DROPPED_BECAUSE = {
    attempts_spent: 'All automatic attempts failed.',
    gone: 'The receiver answered 410 (gone), which disabled the webhook.',
    webhook_disabled: 'The webhook was disabled.',
    webhook_deleted: 'The webhook was deleted.',
    allowlist_empty: 'The allowlist had no address yet to which it could have been sent.',
    inexpressible: "The configuration's type has no shape for it.",
    expired: 'It waited too long.',
    rejected: 'It was fetched, and reported as failed.',
    internal: 'A fault of ours. It can be reattempted.',
};

/** @type {Words<State>} */
export const STATES = {
    active: 'Active', failing: 'Failing', disabled: 'Disabled',
    pending: 'Pending', delivered: 'Delivered', dropped: 'Dropped',
    test: 'Test',
};

/** @type {Words<JobStatus>} */
export const JOBS = { running: 'Reattempting', done: 'Done', stopped: 'Stopped by a fault of ours' };

/** @type {Words<Type>} */
export const TYPES = {
    generic: 'Generic', plaid: 'Plaid', mx: 'MX', yodlee: 'Yodlee', fdx: 'FDX', finicity: 'Mastercard Open Finance', teller: 'Teller',
};

/** @type {Words<DateFormat>} */
export const DATE_FORMATS = {
    ISO: 'ISO, 2026-11-21T18:16:00.123Z', UTC: 'UTC, 2026-11-21T18:16:00Z', unix: 'unix, 1795284960',
};

/** @type {Words<AddressReason>} */
export const ADDRESSES = {
    not_in_allowlist: 'not in the allowlist',
    special: 'a private or special address: never connected to, whatever the allowlist says',
};

/** S0's test events, and what they tell.
 * @type {Words<LinkEvent>} */
export const LINK_EVENTS = {
    'link.state_changed': 'The state of the link changed',
    'link.product_refresh': 'A product of the link was refreshed',
    'transactions.updates_available': 'Transactions of the link came in',
};
