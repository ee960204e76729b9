// The configuration: in which shape events come, and where they may go.
import * as api from '../api.js';
import { code, duration, h, long } from '../dom.js';
import { field, form, Mistake, schedule, select, value, written } from '../forms.js';
import { action, announce, confirmed, copyable, empty, facts, head, link, section, step, toast } from '../parts.js';
import { can } from '../session.js';
import { DATE_FORMATS, TYPES } from '../words.js';
import { noConfiguration } from './overview.js';

/** @import { Context, View } from '../app.js' */
/** @import { Configuration, ConfigurationChange } from '../types/api' */

/** @type {View} */
export async function configuration(context) {
    const configuration = await api.viewConfiguration(context.signal);
    const title = 'Configuration';
    if (!configuration) return { title, content: [head(title), noConfiguration()] };
    const write = can('configuration:write');
    return {
        title,
        content: [
            head(title, {
                below: copyable(configuration.id, 'the id'),
                actions: write ? [
                    step('change', '#/configuration/change', 'Change'),
                    action('delete', 'Delete', () => remove(configuration, context), { kind: 'danger' }),
                ] : null,
            }),
            h('div', { id: 'settings' }, facts([
                ['Name', configuration.name ? long(configuration.name) : 'none'],
                ['Type', TYPES[configuration.type ?? 'generic']],
                ['Dates', DATE_FORMATS[configuration.dateFormat]],
                ['Retries', configuration.retrySchedule ? configuration.retrySchedule.map(duration).join(', ') || 'none' : 'as the type has them'],
                ['Webhooks', link('#/', String(configuration.webhookIds.length))],
            ])),
            section('Allowlist', allowlist(configuration, context)),
        ],
    };
}

/** @param {Configuration} configuration @param {Context} context */
function allowlist({ ipAllowlist, webhookIds }, { redraw, signal }) {
    const write = can('configuration:write');
    return [
        h('p', { class: 'prose quiet' },
            "The only addresses that events are sent to, whatever a callback's name resolves to: IPv4, IPv6, or a block such as 123.40.21.0/24."),
        ipAllowlist.length
            ? h('ul', { id: 'allowlist', class: 'plain-list addresses' }, ipAllowlist.map((address) => h('li', { 'data-address': address, 'data-row': address },
                code(address),
                write ? action('remove-address', 'Remove', async () => {
                    await api.changeConfiguration({ removeFromIpAllowlist: [address] });
                    if (!signal.aborted) await redraw(`${address} removed.`);
                }, { about: `Remove ${address}` }) : null)))
            : empty(webhookIds.length ? 'No address is allowed, so nothing can be sent.' : 'No address is allowed yet. A webhook needs at least one.'),
        write ? form('allowlist', [
            field({ name: 'address', label: 'Add an address', control: h('input', { spellcheck: 'false', placeholder: '123.40.21.1', class: 'narrow' }) })],
            { submit: 'Add', action: 'add-address', kind: 'plain', class: 'form inline', names: { ipAllowlist: 'address' } }, async (element) => {
                const address = value(element, 'address');
                if (!address) throw new Mistake('address', 'Which address?');
                await api.changeConfiguration({ ipAllowlist: address.split(/[\s,]+/).filter(Boolean) });
                if (!signal.aborted) await redraw(`${address} added.`);
            }) : null,
    ];
}

/** @param {Configuration} configuration @param {Context} context */
async function remove(configuration, context) {
    const count = configuration.webhookIds.length;
    const sure = await confirmed({
        title: 'Delete the configuration?', confirm: 'Delete the configuration', danger: true,
        text: h('p', null,
            count ? `Its ${count === 1 ? 'webhook is' : `${count} webhooks are`} cancelled for good. ` : null,
            'Its allowlist is forgotten for good. The configuration itself can be brought back for ten days, without either.'),
    });
    if (!sure) return;
    const { requestId } = await api.deleteConfiguration();
    toast('The configuration is deleted. For ten days it can be brought back, without allowlist and webhooks.', {
        undo: async () => {
            await api.restore('configuration', requestId);
            toast('The configuration is back. Its allowlist is empty.');
            if (location.hash === '#/configuration') await context.redraw();
            else location.hash = '#/configuration';
        },
        more: link('#/deletions', 'All deletions'),
    });
    if (!context.signal.aborted) context.go('#/');
}

/** @type {View} */
export async function changeConfiguration({ parameter, signal, go }) {
    const present = await api.viewConfiguration(signal);
    if (parameter === 'change' && !present) return { title: 'Configuration', content: [head('Configuration'), noConfiguration()] };
    const title = present ? 'Change the configuration' : 'New configuration';
    const back = present ? '#/configuration' : '#/';
    return {
        title,
        content: [
            head(title, { above: link(back, present ? 'Configuration' : 'Overview') }),
            form('configuration', [
                field({
                    name: 'name', label: 'Name', hint: 'For people. It may be left out.',
                    control: h('input', { maxlength: 200, value: present?.name ?? '', dir: 'auto' }),
                }),
                field({
                    name: 'type', label: 'Type', hint: present
                        ? ['Whose payloads you get. Another type changes the shape, the dates and the retries of everything from then on, ',
                            'and disables webhooks for events that it does not have.']
                        : 'Whose payloads you get: those that your code is written for.',
                    control: select(Object.entries(TYPES), present?.type ?? 'generic'),
                }),
                field({
                    name: 'dateFormat', label: 'Dates', hint: 'How the API writes moments to you.',
                    control: select([['', present ? 'As a new type brings it' : 'As the type has it'], ...Object.entries(DATE_FORMATS)],
                        present?.dateFormat ?? ''),
                }),
                field({
                    name: 'retrySchedule', label: 'Retries', hint: 'Delays after each failure: 30s, 5m, 1h. Empty: as the type has them.',
                    control: h('input', { value: written(present?.retrySchedule), spellcheck: 'false', placeholder: '5m, 5m, 5m' }),
                }),
                present ? null : field({
                    name: 'ipAllowlist', label: 'Allowlist',
                    hint: 'The addresses of your servers, one in a line. A webhook needs at least one; they can be added later.',
                    control: h('textarea', { rows: 3, spellcheck: 'false', placeholder: '123.40.21.1' }),
                }),
            ], { submit: present ? 'Save' : 'Create the configuration', action: 'save', beside: step('cancel', back, 'Cancel') }, async (element) => {
                if (present) await save(element, present);
                else await create(element);
                if (signal.aborted) return;
                announce('Saved.');
                go(present ? '#/configuration' : '#/');
            }),
        ],
    };
}

/** @param {HTMLFormElement} element @returns {Configuration['type']} */
function typeOf(element) {
    const type = value(element, 'type');
    return type === 'generic' ? null : /** @type {Configuration['type']} */ (type);
}

/** @param {HTMLFormElement} element */
async function create(element) {
    const dateFormat = /** @type {Configuration['dateFormat'] | ''} */ (value(element, 'dateFormat'));
    const retries = schedule(value(element, 'retrySchedule'), 'retrySchedule');
    const name = value(element, 'name');
    await api.createConfiguration({
        type: typeOf(element),
        ipAllowlist: value(element, 'ipAllowlist').split(/[\s,]+/).filter(Boolean),
        ...(name ? { name } : {}),
        ...(dateFormat ? { dateFormat } : {}),
        ...(retries ? { retrySchedule: retries } : {}),
    });
}

/** @param {HTMLFormElement} element @param {Configuration} present */
async function save(element, present) {
    /** @type {ConfigurationChange} */
    const changed = {};
    const name = value(element, 'name') || null;
    if (name !== present.name) changed.name = name;
    const type = typeOf(element);
    if (type !== present.type) changed.type = type;
    const dateFormat = /** @type {Configuration['dateFormat'] | ''} */ (value(element, 'dateFormat'));
    if (dateFormat && dateFormat !== present.dateFormat) changed.dateFormat = dateFormat;
    const retries = schedule(value(element, 'retrySchedule'), 'retrySchedule');
    if (String(retries) !== String(present.retrySchedule ?? null)) changed.retrySchedule = retries;
    if (!Object.keys(changed).length) throw new Mistake('name', 'Nothing is changed yet.');
    await api.changeConfiguration(changed);
}
