/** A network service on a random port, with tokens that say who bears them (`project/role,role/user`); for tests. */
import { startApiServer } from '#cloud/api';
import { createQuotas, quotaMigrations } from '#cloud/quotas';
import { createMetrics, defaultsOf, silentLogger, systemClock, systemRandom } from '#common';
import { type EngineName, TestDatabase } from '../../state/testing/engines.ts';
import { type NetworkTables, networkMigrations } from '../migrations.ts';
import { createNetworks, type Networks } from '../networks.ts';
import { type NetworkSettings, networkSettings } from '../settings.ts';

/** Whatever an answer holds; tests say what they expect of its parts. */
export interface Json {
  readonly [name: string]: Json | undefined;
  readonly [at: number]: Json | undefined;
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  /** Whatever it is: tests say what they expect of it. */
  readonly json: Json;
}

export interface World {
  readonly networks: Networks;
  readonly url: string;
  call(
    token: string,
    method: string,
    path: string,
    body?: unknown,
    headers?: Record<string, string>,
  ): Promise<Answer>;
  /** Makes one and returns it; fails when that was refused. */
  make(token: string, path: string, member: string, body: object): Promise<Json>;
  /** Puts values into a document that the API would not take, as an error of an earlier release could have. */
  rewrite(id: string, values: Readonly<Record<string, unknown>>): Promise<void>;
  close(): Promise<void>;
}

export const admin = 'root/admin/root';
export const alice = 'aaaa/member,reader/alice';
export const bob = 'bbbb/member,reader/bob';
export const carol = 'aaaa/reader/carol';

async function bearer(token: string) {
  const [project = '', roles = '', user = 'user'] = token.split('/');
  if (roles === '') return undefined;
  const projectId = project === '' ? undefined : project;
  const credentials = { roles: roles.split(','), user_id: user, project_id: projectId };
  return { userId: user, projectId, credentials };
}

export async function openWorld(
  engine: EngineName = 'sqlite',
  settings: Partial<NetworkSettings> = {},
): Promise<World> {
  const database = new TestDatabase(engine);
  const state = await database.open([networkMigrations, quotaMigrations]);
  const networks = await createNetworks({
    state,
    quotas: createQuotas(state),
    settings: { ...defaultsOf(networkSettings), ...settings },
    clock: systemClock,
    random: systemRandom,
    log: silentLogger,
    emit: async () => undefined,
    authenticate: bearer,
  });
  await networks.ensurePublic('root', '172.24.4.0/24');
  const server = await startApiServer({
    services: { '/network': networks.service },
    host: '127.0.0.1',
    port: 0,
    clock: systemClock,
    random: systemRandom,
    log: silentLogger,
    metrics: createMetrics(),
  });
  const url = `http://127.0.0.1:${server.port}/network`;
  const call: World['call'] = async (token, method, path, body, headers = {}) => {
    const answer = await fetch(`${url}${path}`, {
      method,
      headers: {
        'x-auth-token': token,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    return {
      status: answer.status,
      headers: answer.headers,
      json: text === '' ? ({} as Json) : (JSON.parse(text) as Json),
    };
  };
  return {
    networks,
    url,
    call,
    make: async (token, path, member, body) => {
      const { status, json } = await call(token, 'POST', `/v2.0/${path}`, { [member]: body });
      if (status !== 201) throw new Error(`${path}: ${status} ${JSON.stringify(json)}`);
      return json[member] as Json;
    },
    rewrite: async (id, values) => {
      const db = state.db.$extendTables<NetworkTables>();
      const row = await db
        .selectFrom('network_object')
        .select(['document', 'revision'])
        .where('id', '=', id)
        .executeTakeFirstOrThrow();
      const document = JSON.stringify({ ...JSON.parse(row.document), ...values });
      const revision = Number(row.revision) + 1;
      await db
        .updateTable('network_object')
        .set({ document, revision })
        .where('id', '=', id)
        .execute();
    },
    close: async () => {
      await networks.close();
      await server.close();
      await database.remove();
    },
  };
}
