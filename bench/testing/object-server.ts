/** An object store in memory for the tests of the benches: both dialects over one map, with faults to order. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';

export interface ObjectServer {
  readonly port: number;
  readonly objects: Map<string, Buffer>;
  /** Requests answered, by method. */
  readonly seen: Map<string, number>;
  readonly containers: Set<string>;
  /** Changes the answer to a read of an object. */
  spoil: ((body: Buffer) => Buffer) | undefined;
  /** Rows of a listing page, whatever was asked for. */
  pageRowsMax: number;
  /** Answers this status to every write. */
  refuseWrites: number | undefined;
  close(): Promise<void>;
}

export async function startObjectServer(): Promise<ObjectServer> {
  const store = {
    objects: new Map<string, Buffer>(),
    seen: new Map<string, number>(),
    containers: new Set<string>(),
    spoil: undefined as ObjectServer['spoil'],
    pageRowsMax: 10_000,
    refuseWrites: undefined as number | undefined,
  };
  const server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => answer(state, request, response, Buffer.concat(parts)));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const state: ObjectServer = Object.assign(store, {
    port: address.port,
    close: async () => await closed(server),
  });
  return state;
}

async function closed(server: Server): Promise<void> {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
}

function answer(
  state: ObjectServer,
  request: IncomingMessage,
  response: ServerResponse,
  body: Buffer,
): ServerResponse {
  const url = new URL(request.url ?? '', `http://127.0.0.1:${state.port}`);
  const method = request.method ?? '';
  state.seen.set(method, (state.seen.get(method) ?? 0) + 1);
  if (url.pathname === '/auth/v1.0') return login(state, request, response);
  if (url.pathname === '/v3/auth/tokens') return loginV3(state, response, body);
  const isSwift = url.pathname.startsWith('/v1/AUTH/');
  const allowed = isSwift
    ? request.headers['x-auth-token'] === 'token'
    : /Credential=access\/\d{8}\/us-east-1\/s3\//.test(request.headers.authorization ?? '');
  if (!allowed) return response.writeHead(401).end();
  const [container = '', ...rest] = url.pathname
    .replace(isSwift ? '/v1/AUTH/' : '/', '')
    .split('/');
  const name = rest.join('/');
  if (name === '') return onContainer(state, { method, container, url, isSwift }, response);
  return onObject(state, { method, name }, response, body);
}

function login(
  state: ObjectServer,
  request: IncomingMessage,
  response: ServerResponse,
): ServerResponse {
  const known =
    request.headers['x-auth-user'] === 'test:tester' && request.headers['x-auth-key'] === 'testing';
  if (!known) return response.writeHead(401).end();
  const storage = `http://127.0.0.1:${state.port}/v1/AUTH`;
  return response.writeHead(200, { 'x-auth-token': 'token', 'x-storage-url': storage }).end();
}

function loginV3(state: ObjectServer, response: ServerResponse, body: Buffer): ServerResponse {
  if (!body.toString().includes('"password":"secret"')) return response.writeHead(401).end();
  const url = `http://127.0.0.1:${state.port}/v1/AUTH`;
  const catalog = [
    { type: 'volume', endpoints: [{ interface: 'public', url: 'http://wrong' }] },
    {
      type: 'object-store',
      endpoints: [
        { interface: 'admin', url: 'http://wrong' },
        { interface: 'public', url },
      ],
    },
  ];
  return response
    .writeHead(201, { 'x-subject-token': 'token' })
    .end(JSON.stringify({ token: { catalog } }));
}

function onContainer(
  state: ObjectServer,
  what: { method: string; container: string; url: URL; isSwift: boolean },
  response: ServerResponse,
): ServerResponse {
  const { method, container, url, isSwift } = what;
  if (method === 'PUT') {
    state.containers.add(container);
    return response.writeHead(201).end();
  }
  if (method === 'DELETE') {
    if (state.objects.size > 0) return response.writeHead(409).end();
    state.containers.delete(container);
    return response.writeHead(204).end();
  }
  const after = url.searchParams.get(isSwift ? 'marker' : 'start-after') ?? '';
  const limit = Number(url.searchParams.get(isSwift ? 'limit' : 'max-keys'));
  const names = [...state.objects.keys()].sort().filter((name) => name > after);
  const page = names.slice(0, Math.min(limit, state.pageRowsMax));
  if (isSwift) return response.end(JSON.stringify(page.map((name) => ({ name }))));
  const keys = page.map((name) => `<Contents><Key>${name}</Key></Contents>`).join('');
  return response.end(`<R>${keys}<IsTruncated>${names.length > page.length}</IsTruncated></R>`);
}

function onObject(
  state: ObjectServer,
  what: { method: string; name: string },
  response: ServerResponse,
  body: Buffer,
): ServerResponse {
  const { method, name } = what;
  if (method === 'PUT') {
    if (state.refuseWrites !== undefined) return response.writeHead(state.refuseWrites).end();
    state.objects.set(name, body);
    return response.writeHead(201).end();
  }
  if (method === 'DELETE') return response.writeHead(state.objects.delete(name) ? 204 : 404).end();
  const found = state.objects.get(name);
  return response.writeHead(found ? 200 : 404).end(found && (state.spoil?.(found) ?? found));
}
