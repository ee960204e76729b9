// The catalogue: every event of the developer's type, with its schema and an example.
import { viewCatalogue, viewConfiguration } from '../api.js';
import { brief, h, name, said } from '../dom.js';
import { empty, example, head, link, section, step } from '../parts.js';
import { can } from '../session.js';
import { TYPES } from '../words.js';

/** @import { View } from '../app.js' */
/** @import { CatalogueEvent, Schema } from '../types/api' */
/** @import { Child } from '../types/dom' */

/** The three that every type has besides its own. */
const MONEYKIT = ['link.state_changed', 'link.product_refresh', 'transactions.updates_available'];

/** Events are shown by what stands before the full stop of their names, as subscriptions go by it.
 * @param {string} event */
const kindOf = (event) => MONEYKIT.includes(event) ? 'MoneyKit' : event.split(/[.:]/)[0];

/** What the type in force is; generic where there is no configuration yet.
 * @param {AbortSignal} signal */
async function events(signal) {
    const [configuration, { types }] = await Promise.all([viewConfiguration(signal), viewCatalogue()]);
    const type = configuration?.type ?? 'generic';
    return { type, events: types[type] ?? [], configured: configuration !== null };
}

/** @type {View} */
export async function catalogue({ signal }) {
    const { type, events: all, configured } = await events(signal);
    /** @type {Map<string, CatalogueEvent[]>} */
    const kinds = new Map();
    for (const event of all) {
        const kind = kindOf(event.eventName);
        const list = kinds.get(kind) ?? [];
        if (!list.some(({ eventName }) => eventName === event.eventName)) list.push(event);
        kinds.set(kind, list);
    }
    return {
        title: 'Catalogue',
        content: [
            head('Catalogue', {
                below: configured
                    ? `Every event that the type of your configuration, ${TYPES[type]}, can tell of.`
                    : 'There is no configuration yet: this is what the generic type can tell of.',
            }),
            h('div', { id: 'events' }, [...kinds].map(([kind, list]) => h('section', { class: 'kind' },
                h('h2', null, said(kind)),
                h('ul', { class: 'plain-list' }, list.map(({ eventName, summary }) => h('li', { 'data-row': eventName },
                    link(`#/catalogue/${encodeURIComponent(eventName)}`, h('code', null, name(eventName))), h('div', { class: 'quiet' }, said(summary)))))))),
        ],
    };
}

/** @type {View} */
export async function catalogueEvent({ parameter, signal }) {
    const { type, events: all } = await events(signal);
    const here = all.filter(({ eventName }) => eventName === parameter);
    if (!here.length) {
        return {
            title: parameter,
            content: [
                head('No such event', { above: link('#/catalogue', 'Catalogue') }),
                empty([`The type ${TYPES[type]} has no event called `, brief(parameter, 200), '.'], step('catalogue', '#/catalogue', 'To the catalogue')),
            ],
        };
    }
    const [event] = here;
    return {
        title: parameter,
        content: [
            head(name(event.eventName), {
                above: link('#/catalogue', 'Catalogue'),
                below: here.map(({ summary }) => h('p', { class: 'prose' }, said(summary))),
                actions: can('configuration:write') ? [
                    step('send', `#/send?eventName=${encodeURIComponent(event.eventName)}`, 'Send the example', 'primary'),
                    step('create-webhook', `#/webhooks/new?eventName=${encodeURIComponent(event.eventName)}`, 'New webhook for it')] : null,
            }),
            h('div', { class: 'columns' },
                section('Fields', h('div', { id: 'schema' }, fields(event.schema))),
                section('Example', example(event.example))),
        ],
    };
}

/** The fields of a schema, one below the other.
 * @param {Schema} schema @returns {Child} */
function fields(schema) {
    const properties = Object.entries(inner(schema).properties ?? {});
    const choices = schema.oneOf ?? schema.anyOf;
    if (!properties.length && choices) {
        return h('ul', { class: 'schema' }, choices.map((one, i) => h('li', null,
            h('span', { class: 'quiet' }, `${i ? 'or' : 'either'} ${typeName(one)}`), fields(one))));
    }
    if (!properties.length) return null;
    const required = new Set(inner(schema).required ?? []);
    return h('ul', { class: 'schema' }, properties.map(([key, field]) => h('li', null,
        h('code', null, said(key)), ' ', h('small', { class: 'quiet' }, said(typeName(field)), required.has(key) ? '' : ', may be missing'),
        field.description ? h('div', { class: 'small' }, said(field.description)) : null,
        allowed(field),
        fields(field))));
}

/** What a list's entries are, or the schema itself.
 * @param {Schema} schema @returns {Schema} */
function inner(schema) {
    return schema.properties ? schema : schema.items ? inner(schema.items) : schema;
}

/** @param {Schema} schema @returns {string} */
function typeName(schema) {
    if (schema.const !== undefined) return `always ${JSON.stringify(schema.const)}`;
    const types = [schema.type ?? (schema.enum ? 'text' : 'any')].flat().map((type) => {
        if (type === 'array') return `list of ${schema.items ? typeName(schema.items) : 'any'}`;
        return type === 'string' ? 'text' : type;
    });
    return types.join(' or ') + (schema.format && schema.type !== 'array' ? ` (${schema.format})` : '');
}

/** @param {Schema} schema */
function allowed(schema) {
    const values = schema.enum ?? schema.items?.enum;
    return values ? h('div', { class: 'small' }, 'One of ', values.flatMap((value, i) => [i ? ', ' : '', h('code', null, said(String(value)))])) : null;
}
