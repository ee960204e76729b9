// Elements that follow something until it is over: they ask at growing intervals, and stop when they leave the page.
import { viewEvent, viewJob } from './api.js';
import { append, h, number } from './dom.js';
import { announce, badge, errorBox, link, outcome } from './parts.js';
import { DROPPED_BECAUSE } from './words.js';

/** Waits, unless it is broken off.
 * @param {number} milliseconds @param {AbortSignal} signal @returns {Promise<void>} */
function pause(milliseconds, signal) {
    return new Promise((resolve) => {
        const timer = setTimeout(resolve, milliseconds);
        signal.addEventListener('abort', () => clearTimeout(timer), { once: true });
    });
}

/** Asks until `look` says that it is over.
 * @param {HTMLElement} element @param {AbortSignal} signal @param {(passed: number) => Promise<boolean>} look */
async function follow(element, signal, look) {
    const began = performance.now();
    try {
        for (let wait = 400; !await look(performance.now() - began); wait = Math.min(wait * 1.5, 5000)) await pause(wait, signal);
    } catch (error) {
        if (!signal.aborted) element.append(errorBox(error));
    }
}

/** How far a job has come that reattempts dropped events. Sends `done` when it ends. */
export class JobProgress extends HTMLElement {
    /** @param {string} [job] */
    constructor(job = '') {
        super();
        this.job = job;
        this.stop = new AbortController();
    }

    connectedCallback() {
        this.stop = new AbortController();
        const bar = h('progress', { max: 1, value: 0, 'aria-label': 'Reattempting' });
        const text = h('p', { 'aria-live': 'polite' }, 'The job has begun…');
        this.replaceChildren(bar, text);
        void follow(this, this.stop.signal, async () => {
            const job = await viewJob(this.job, this.stop.signal);
            const over = job.status !== 'running';
            const finished = job.succeeded + job.failed;
            bar.max = Math.max(finished + job.queued, 1);
            bar.value = over && job.queued === 0 ? bar.max : finished;
            text.textContent = `${{ running: 'Reattempting', done: 'Done', stopped: 'Stopped by a fault of ours' }[job.status]}: ${number(job.succeeded, 'event')} delivered, ${job.failed} failed, ${job.queued} to go.`;
            if (over) this.dispatchEvent(new CustomEvent('done'));
            return over;
        });
    }

    disconnectedCallback() {
        this.stop.abort();
    }
}

/** What becomes of an event that was just sent. */
export class EventWatch extends HTMLElement {
    /** @param {string} event */
    constructor(event = '') {
        super();
        this.event = event;
        this.stop = new AbortController();
    }

    connectedCallback() {
        this.stop = new AbortController();
        const text = h('p', { role: 'status' }, badge('pending'), ' It is on its way.');
        this.replaceChildren(text, h('p', null, link(`#/events/${this.event}`, 'Show the event')));
        void follow(this, this.stop.signal, async (passed) => {
            const event = await viewEvent(this.event, this.stop.signal);
            const attempt = event.lastAttempt;
            if (!attempt && event.status === 'pending' && passed < 60_000) return false;
            text.replaceChildren();
            append(text, [badge(event.status), ' ',
                attempt ? [event.status === 'delivered' ? attempt.responseCode : outcome(attempt), ` after ${attempt.milliseconds} ms. `] : null,
                event.status === 'pending' ? attempt ? 'It is attempted again later.' : 'It still waits for its first attempt.' : null,
                event.dropReason ? DROPPED_BECAUSE[event.dropReason] : null]);
            announce(text.textContent ?? '');
            return true;
        });
    }

    disconnectedCallback() {
        this.stop.abort();
    }
}

customElements.define('job-progress', JobProgress);
customElements.define('event-watch', EventWatch);
