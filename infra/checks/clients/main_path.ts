// The main path, by openapi-fetch with the types that openapi-typescript makes of docs/openapi.json. `check.py` has tsc read
// this with --strict, and runs it: `main_path.js PLAN`, whose JSON says where, for whom, and with which clients.
//
// It prints the ids of the events that have to have arrived.

import createClient from 'openapi-fetch';
import type { components, paths, webhooks } from './openapi.d.ts';

type Schemas = components['schemas'];
type Update = Schemas['Update.transactions.updated'];
type Payload = webhooks['plaid.TRANSACTIONS.DEFAULT_UPDATE']['post']['requestBody']['content']['application/json'];

interface Plan {
    url: string;
    callback: string;
    developerId: string;
    developer: [string, string];
    platform: [string, string];
}

declare const process: { argv: string[] };

const PATIENCE_MS = 30_000;

function holds(holding: boolean, what: string): asserts holding {
    if (!holding) throw new Error(what);
}

/** The body of an answer that has to be a success. */
function must<T>(answer: { data?: T; error?: unknown }): T {
    holds(answer.data !== undefined, `refused: ${JSON.stringify(answer.error)}`);
    return answer.data;
}

async function signedIn(plan: Plan, who: 'developer' | 'platform') {
    const [client_id, client_secret] = plan[who];
    const { access_token } = must(await createClient<paths>({ baseUrl: plan.url }).POST('/auth/token', {
        body: { grant_type: 'client_credentials', client_id, client_secret },
        bodySerializer: (body) => new URLSearchParams(body as Record<string, string>),
    }));
    return createClient<paths>({ baseUrl: plan.url, headers: { authorization: `Bearer ${access_token}` } });
}

type Client = Awaited<ReturnType<typeof signedIn>>;

/** The event, once it has come to a status. */
async function once(client: Client, eventId: string, status: Schemas['EventStatus']): Promise<Schemas['EventInFull']> {
    const until = Date.now() + PATIENCE_MS;
    for (;;) {
        const { event } = must(await client.GET('/configuration/events/{eventId}', { params: { path: { eventId } } }));
        if (event.status === status) return event;
        holds(Date.now() < until, `${eventId} is still ${event.status}`);
        await new Promise((again) => setTimeout(again, 50));
    }
}

async function main(plan: Plan): Promise<string[]> {
    const developer = await signedIn(plan, 'developer');
    const platform = await signedIn(plan, 'platform');
    const { configuration } = must(await developer.POST('/configuration', {
        body: { type: 'plaid', ipAllowlist: ['127.0.0.1'] },
    }));
    holds(configuration.type === 'plaid', `another type: ${configuration.type}`);
    const { webhook } = must(await developer.POST('/configuration/webhooks', { body: { callbackURL: plan.callback } }));
    holds(webhook.secret.startsWith('whsec_'), 'no secret');
    const update = (newTransactions: number): Update => ({
        developerId: plan.developerId,
        eventName: 'transactions.updated',
        data: { linkId: 'item-1', newTransactions },
    });

    const one = must(await platform.POST('/updates', { body: update(3) }));
    holds('updateId' in one, 'an answer to a list');
    const first = one.events[0]?.eventId ?? '';
    const payload = (await once(developer, first, 'delivered')).payload as Payload | null;
    holds(payload?.webhook_code === 'DEFAULT_UPDATE' && payload.new_transactions === 3, 'another payload');

    // An event for a webhook that is disabled is dropped at once.
    const path = { webhookId: webhook.id };
    must(await developer.PATCH('/configuration/webhooks/{webhookId}', { params: { path }, body: { status: 'disabled' } }));
    const many = must(await platform.POST('/updates', { body: { updates: [update(4)] } }));
    holds('updates' in many, 'an answer to one update');
    const [accepted] = many.updates;
    holds(accepted !== undefined && 'updateId' in accepted, 'the update was refused');
    const second = accepted.events[0]?.eventId ?? '';
    await once(developer, second, 'dropped');
    must(await developer.PATCH('/configuration/webhooks/{webhookId}', { params: { path }, body: { status: 'active' } }));
    const dropped = must(await developer.GET('/configuration/webhooks/retrievals', { params: { query: path } }));
    holds(dropped.events.length === 1 && dropped.events[0]?.id === second, 'other retrievals');
    const again = must(await developer.POST('/configuration/webhooks/retrievals/{eventId}', {
        params: { path: { eventId: second } },
    }));
    holds(again.success, `the reattempt failed: ${again.responseMessage}`);
    const history = must(await developer.GET('/configuration/webhooks/{webhookId}/events', {
        params: { path, query: { status: 'delivered' } },
    }));
    const ids = history.events.map((event) => event.id).sort();
    holds(JSON.stringify(ids) === JSON.stringify([first, second].sort()), 'another history');

    const refused = await platform.POST('/updates', {
        body: { developerId: plan.developerId, eventName: 'item.error', raw: { type: 'mx', payload: {} } },
    });
    const code: Schemas['ErrorCode'] | undefined = refused.error?.error_code;
    holds(code === 'update_error.inexpressible', `another refusal: ${code}`);
    return [first, second];
}

// Data of one event under the name of another, or none at all, is no update: tsc has to refuse both.
// @ts-expect-error
export const foreign: Schemas['Update'] = { developerId: 'DEV-a', eventName: 'item.error', data: { userIds: ['a'] } };
// @ts-expect-error
export const empty: Schemas['Update'] = { developerId: 'DEV-a', eventName: 'item.error' };

console.log(JSON.stringify(await main(JSON.parse(process.argv[2] ?? '') as Plan)));
