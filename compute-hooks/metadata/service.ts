/**
 * What guests ask at 169.254.169.254: OpenStack's tree and EC2's. Who asks is told by the network, which knows by port; nothing that a guest
 * sends is believed about it. A guest may ask for a token first and show it afterwards, as EC2's second version has it.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { messageOf } from '#common';
import type { ComputeCore } from '../core.ts';
import { findServer } from '../rows.ts';
import type { ServerRow } from '../tables.ts';
import { ec2MetaData, type GuestFacts, guestFacts, metaData, networkData } from './documents.ts';

/** The guest that asks, as the network knows it. */
export interface Asking {
  readonly portId: string;
  readonly deviceId: string;
  readonly projectId: string;
}

interface Reply {
  readonly status: number;
  readonly body: string | Buffer;
  readonly type?: string;
}

const missing: Reply = { status: 404, body: '404 Not Found\n' };
const versions = [
  '2012-08-10',
  '2013-04-04',
  '2013-10-17',
  '2015-10-15',
  '2016-06-30',
  '2016-10-06',
  '2017-02-22',
  '2018-08-27',
  '2020-10-14',
];
const ec2Versions = [
  '1.0',
  '2007-01-19',
  '2007-03-01',
  '2007-08-29',
  '2007-10-10',
  '2007-12-15',
  '2008-02-01',
  '2008-09-01',
  '2009-04-04',
];
const tokenSecondsMax = 21_600;
/** Of a password that is sealed with a key. */
const passwordBytesMax = 1_020;

export class MetadataService {
  private readonly core: ComputeCore;
  private readonly key: Buffer;

  constructor(core: ComputeCore) {
    this.core = core;
    this.key = Buffer.from(core.random.bytes(32));
  }

  async handle(request: IncomingMessage, response: ServerResponse, who: Asking): Promise<void> {
    let reply: Reply;
    try {
      reply = await this.answer(request, who);
    } catch (error) {
      this.core.log.error({ err: error, port: who.portId }, `metadata: ${messageOf(error)}`);
      reply = { status: 500, body: 'The metadata could not be read.\n' };
    }
    const body = Buffer.from(reply.body as string);
    response.writeHead(reply.status, {
      'Content-Type': reply.type ?? 'text/plain; charset=utf-8',
      'Content-Length': body.length,
    });
    response.end(request.method === 'HEAD' ? undefined : body);
  }

  private async answer(request: IncomingMessage, who: Asking): Promise<Reply> {
    const path = (request.url ?? '/').split('?', 1)[0] ?? '/';
    const parts = path.split('/').filter((part) => part !== '');
    if (parts.join('/') === 'latest/api/token') return this.token(request, who);
    const isPassword = parts.length === 3 && parts[0] === 'openstack' && parts[2] === 'password';
    const writes = request.method === 'POST' && isPassword;
    if (request.method !== 'GET' && request.method !== 'HEAD' && !writes)
      return { status: 405, body: '405 Method Not Allowed\n' };
    const shown = request.headers['x-aws-ec2-metadata-token'];
    if (typeof shown === 'string' && !this.isValid(shown, who))
      return { status: 401, body: '401 Unauthorized\n' };
    const server = await findServer(this.core.db, who.deviceId);
    if (server === undefined || server.project_id !== who.projectId) return missing;
    if (writes) return await this.takePassword(request, server);
    if (isPassword) return { status: 200, body: server.password ?? '' };
    return replyTo(parts, await guestFacts(this.core, server));
  }

  /** A guest tells its password once; its owner may clear it. */
  private async takePassword(request: IncomingMessage, server: ServerRow): Promise<Reply> {
    const chunks: Buffer[] = [];
    let bytes = 0;
    for await (const chunk of request as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > passwordBytesMax) return { status: 400, body: '400 Bad Request\n' };
      chunks.push(chunk);
    }
    const taken = await this.core.db
      .updateTable('compute_server')
      .set({ password: Buffer.concat(chunks).toString('utf8') })
      .where('id', '=', server.id)
      .where((where) => where.or([where('password', 'is', null), where('password', '=', '')]))
      .executeTakeFirst();
    return taken.numUpdatedRows === 1n
      ? { status: 200, body: '' }
      : { status: 409, body: '409 Conflict\n' };
  }

  private token(request: IncomingMessage, who: Asking): Reply {
    if (request.method !== 'PUT') return { status: 405, body: '405 Method Not Allowed\n' };
    // What came through a proxy is not the guest's own asking.
    if (request.headers['x-forwarded-for'] !== undefined)
      return { status: 403, body: '403 Forbidden\n' };
    const seconds = Number(request.headers['x-aws-ec2-metadata-token-ttl-seconds']);
    if (!Number.isSafeInteger(seconds) || seconds < 1 || seconds > tokenSecondsMax)
      return { status: 400, body: '400 Bad Request\n' };
    const until = String(Math.floor(this.core.clock.nowUs() / 1_000_000) + seconds);
    return { status: 200, body: `${until}.${this.sign(until, who)}` };
  }

  private sign(until: string, { portId, deviceId }: Asking): string {
    return createHmac('sha256', this.key)
      .update(`${until} ${portId} ${deviceId}`)
      .digest('base64url');
  }

  private isValid(token: string, who: Asking): boolean {
    const [until = '', signature = ''] = token.split('.');
    const wanted = Buffer.from(this.sign(until, who));
    const shown = Buffer.from(signature);
    const same = shown.length === wanted.length && timingSafeEqual(shown, wanted);
    return same && Number(until) * 1_000_000 > this.core.clock.nowUs();
  }
}

function replyTo(parts: readonly string[], facts: GuestFacts): Reply {
  const [first, version, ...rest] = parts;
  if (first === undefined) return { status: 200, body: [...ec2Versions, 'latest'].join('\n') };
  if (first === 'openstack') return openstackReply(version, rest, facts);
  if (first !== 'latest' && !ec2Versions.includes(first)) return missing;
  return ec2Reply(
    [version, ...rest].filter((part) => part !== undefined),
    facts,
  );
}

function openstackReply(
  version: string | undefined,
  rest: readonly string[],
  facts: GuestFacts,
): Reply {
  if (version === undefined) return { status: 200, body: [...versions, 'latest'].join('\n') };
  if (version !== 'latest' && !versions.includes(version)) return missing;
  const { user_data } = facts.server;
  const json = (value: object): Reply => ({
    status: 200,
    body: JSON.stringify(value),
    type: 'application/json',
  });
  const documents: Readonly<Record<string, () => Reply>> = {
    'meta_data.json': () => json(metaData(facts)),
    'network_data.json': () => json(networkData(facts)),
    'vendor_data.json': () => json({}),
    password: () => ({ status: 200, body: facts.server.password ?? '' }),
    'vendor_data2.json': () => json({}),
    ...(user_data === null
      ? {}
      : {
          user_data: () => ({
            status: 200,
            body: Buffer.from(user_data, 'base64'),
            type: 'application/octet-stream',
          }),
        }),
  };
  const [name] = rest;
  if (name === undefined) return { status: 200, body: Object.keys(documents).join('\n') };
  return (Object.hasOwn(documents, name) ? documents[name]?.() : undefined) ?? missing;
}

function ec2Reply(parts: readonly string[], facts: GuestFacts): Reply {
  const { user_data } = facts.server;
  const [first, ...rest] = parts;
  if (first === undefined)
    return {
      status: 200,
      body: ['meta-data/', ...(user_data === null ? [] : ['user-data'])].join('\n'),
    };
  if (first === 'user-data' && user_data !== null)
    return {
      status: 200,
      body: Buffer.from(user_data, 'base64'),
      type: 'application/octet-stream',
    };
  return first === 'meta-data' ? leafOf(ec2MetaData(facts), rest) : missing;
}

/** A leaf of the tree, or the names below a branch: branches end in a slash, keys are shown with their names. */
function leafOf(tree: Record<string, unknown>, path: readonly string[]): Reply {
  let at: unknown = tree;
  for (const part of path) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, part)) return missing;
    at = Reflect.get(at, part);
  }
  if (typeof at !== 'object' || at === null) return { status: 200, body: String(at) };
  const names = Object.entries(at)
    .filter(([name]) => name !== '_name')
    .map(([name, value]) => {
      if (typeof value !== 'object' || value === null) return name;
      return '_name' in value ? `${name}=${value._name}` : `${name}/`;
    });
  return { status: 200, body: names.join('\n') };
}
