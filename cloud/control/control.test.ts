import Type from 'typebox';
import { request } from 'undici';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ApiServer, type Caller, startApiServer } from '#cloud/api';
import { AuditTrail, Events, journalMigrations, journalSettings } from '#cloud/journal';
import {
  createOperations,
  declareWorkflow,
  type Operations,
  operationMigrations,
  operationSettings,
} from '#cloud/operations';
import { createMetrics, defaultsOf, silentLogger, systemClock, systemRandom } from '#common';
import { TestDatabase } from '../state/testing/engines.ts';
import { controlService } from './index.ts';

let database: TestDatabase;
let server: ApiServer;
let operations: Operations;
let audit: AuditTrail;
let mine: string;
let theirs: string;

/** `reader@p` is somebody with this role in this project. */
function callerOf(token: string): Caller | undefined {
  const [, role, project] = /^(\w+)@(\w*)$/.exec(token) ?? [];
  if (role === undefined) return undefined;
  const implied = { admin: ['admin', 'member', 'reader'], member: ['member', 'reader'] };
  const roles = role in implied ? implied[role as keyof typeof implied] : [role];
  const projectId = project === '' ? undefined : project;
  const credentials = { roles, user_id: token, project_id: projectId };
  return { userId: token, projectId, credentials };
}

const waits = declareWorkflow({
  name: 'test.wait',
  input: Type.Object({ secret: Type.String() }),
  steps: [
    { name: 'wait', timeoutMs: 60_000, retriesMax: 0, run: async () => ({ againAfterMs: 50 }) },
  ],
});

beforeAll(async () => {
  database = new TestDatabase('sqlite');
  const state = await database.open([operationMigrations, journalMigrations]);
  const parts = { state, clock: systemClock, random: systemRandom, log: silentLogger };
  const events = new Events(state, systemClock, systemRandom);
  audit = new AuditTrail({ ...parts, settings: defaultsOf(journalSettings) });
  operations = createOperations({
    ...parts,
    settings: { ...defaultsOf(operationSettings), pollMs: 20 },
    owner: 'test',
    metrics: createMetrics(),
    observe: (tx, { workflow, projectId, resource }) =>
      events.emit(tx, { type: `${workflow}.start`, projectId, resource }),
  });
  operations.add([waits]);
  await operations.open();
  const start = async (projectId: string) => {
    const input = { secret: 'sesame' };
    const resource = { type: 'thing', id: `thing-of-${projectId}` };
    return (await operations.start({ workflow: 'test.wait', input, projectId, resource })).id;
  };
  mine = await start('p');
  theirs = await start('q');
  const authenticate = async (token: string) => callerOf(token);
  server = await startApiServer({
    services: { '/control': controlService({ operations, events, audit, authenticate }) },
    host: '127.0.0.1',
    port: 0,
    ...parts,
    metrics: createMetrics(),
    audit: (record) => audit.record(record),
  });
});
afterAll(async () => {
  await server.close();
  await operations.close();
  await audit.close();
  await database.remove();
});

async function ask(token: string, path: string, method: 'GET' | 'POST' = 'GET') {
  const url = `${server.url}/control/v1/${path}`;
  const answer = await request(url, { method, headers: { 'x-auth-token': token } });
  const text = await answer.body.text();
  return { status: answer.statusCode, text, body: JSON.parse(text) };
}
const idsFor = async (token: string, query = '') =>
  (await ask(token, `operations?${query}`)).body.operations.map((one: { id: string }) => one.id);

describe('the control service', () => {
  it('shows a project its own operations, and an administrator all', async () => {
    expect(await idsFor('reader@p')).toEqual([mine]);
    expect(await idsFor('reader@p', 'project_id=q')).toEqual([]);
    expect(await idsFor('admin@p')).toEqual([mine]);
    expect((await idsFor('admin@p', 'all_projects=1')).sort()).toEqual([mine, theirs].sort());
    expect((await ask('reader@p', 'operations?all_projects=1')).status).toBe(403);
    // No project, no operations of one.
    expect((await ask('reader@', 'operations')).status).toBe(403);
    expect((await ask('nobody', 'operations')).status).toBe(401);
    expect((await ask('admin@p', 'operations?sort=memory')).status).toBe(400);
    const one = await ask('reader@p', `operations/${mine}`);
    expect(one.body.operation).toMatchObject({
      step: 'wait',
      step_number: 1,
      resource_type: 'thing',
    });
    expect(one.text).not.toContain('sesame');
  });

  it('tells nobody whether another’s operation exists', async () => {
    const other = await ask('member@p', `operations/${theirs}`);
    const absent = await ask('member@p', 'operations/nothing');
    expect([other.status, other.text]).toEqual([404, absent.text]);
    for (const id of [theirs, 'nothing'])
      expect((await ask('member@p', `operations/${id}/cancel`, 'POST')).status).toBe(404);
    expect((await operations.find(theirs))?.cancelAsked).toBe(false);
  });

  it('cancels for members and administrators, once', async () => {
    expect((await ask('reader@p', `operations/${mine}/cancel`, 'POST')).status).toBe(403);
    expect((await ask('member@p', `operations/${mine}/cancel`, 'POST')).status).toBe(202);
    await operations.outcome(mine, AbortSignal.timeout(5_000));
    const again = await ask('member@p', `operations/${mine}/cancel`, 'POST');
    expect([again.status, again.body.error.message]).toEqual([
      409,
      'The operation has ended, or gone too far to be taken back.',
    ]);
    expect((await ask('admin@p', `operations/${theirs}/cancel`, 'POST')).status).toBe(202);
    await operations.outcome(theirs, AbortSignal.timeout(5_000));
  });

  it('feeds a project its own events from a cursor on', async () => {
    const own = await ask('reader@q', 'events');
    expect(own.body.events.map((event: { resource_id: string }) => event.resource_id)).toEqual([
      'thing-of-q',
      'thing-of-q',
    ]);
    const { cursor } = own.body;
    expect((await ask('reader@q', `events?marker=${cursor}`)).body).toEqual({ events: [], cursor });
    expect((await ask('admin@q', 'events?all_projects=true')).body.events).toHaveLength(4);
    expect((await ask('reader@q', 'events?marker=x')).status).toBe(400);
  });

  it('answers questions about the audit trail to administrators only', async () => {
    expect((await ask('member@p', 'audit')).status).toBe(403);
    await expect
      .poll(async () => {
        const path = `audit?user_id=${encodeURIComponent('reader@p')}&failed=1`;
        return (await ask('admin@p', path)).body.audit;
      })
      .toMatchObject([
        { status: 403, action: 'POST /v1/operations/:id/cancel', service: 'control' },
      ]);
    expect((await ask('admin@p', 'audit?since=yesterday')).status).toBe(400);
    expect((await ask('admin@p', 'audit?limit=0')).status).toBe(400);
  });
});
