/**
 * Forms: a browser posts files to a container (or below a prefix of it), and fields signed with a key of the account or the container
 * say how many, how large, until when and where to go then.
 */
import { createHmac } from 'node:crypto';
import type { Reply } from '../../exchange.ts';
import type { Grant } from '../access.ts';
import type { FormFile } from '../form-data.ts';
import { isSuccess, refusal, settled, statusLine } from '../refusal.ts';
import { isSignature, readSignature } from '../signatures.ts';
import { type SigningKey, signingKeys } from '../signing-keys.ts';
import { granted, subRequest } from '../sub-request.ts';
import type { SwiftHandler, SwiftRequest, SwiftServices, SwiftStage } from '../swift-request.ts';
import { encodePercent, toHeader } from '../text.ts';

const formType = /^\s*multipart\/form-data\s*;.*\bboundary\s*=/i;

export function createFormPost(services: SwiftServices): SwiftStage {
  return (request, next) => {
    const { exchange } = request;
    if (exchange.method !== 'POST') return next(request);
    const type = exchange.headers['content-type'];
    if (type === undefined || !formType.test(type)) return next(request);
    return postForm(request, next, services);
  };
}

type Fields = ReadonlyMap<string, string>;

interface Outcome {
  readonly status: number;
  readonly message: string;
  readonly headers: Reply['headers'];
}

async function postForm(
  request: SwiftRequest,
  next: SwiftHandler,
  services: SwiftServices,
): Promise<Reply> {
  const { account, container } = request.path;
  const keys = container === undefined ? [] : await signingKeys(services, account, container);
  // The parser is loaded when the first form comes.
  const { readForm } = await import('../form-data.ts');
  const poster = new Poster(request, next, services, keys);
  const fields: Map<string, string> = new Map();
  let outcome: Outcome | undefined;
  let files = 0;
  for await (const part of readForm(request.exchange)) {
    if (part.is === 'field') {
      fields.set(part.name.toLowerCase(), part.value);
      continue;
    }
    files += 1;
    if (files > integer(fields, 'max_file_count', 'max_file_count not an integer')) {
      outcome = { status: 400, message: 'max file count exceeded', headers: {} };
      break;
    }
    outcome = await poster.store(part, fields);
    if (!isSuccess(outcome)) break;
  }
  return render(outcome ?? { status: 400, message: 'no files to process', headers: {} }, fields);
}

function integer(fields: Fields, name: string, problem: string): number {
  return parseInteger(fields.get(name) || '0', problem);
}

function parseInteger(text: string, problem: string): number {
  if (!/^\s*[-+]?\d{1,15}\s*$/.test(text)) throw invalid(problem);
  return Number(text);
}

function invalid(problem: string): Error {
  return refusal('bad-request', `FormPost: ${problem}`);
}

function unauthorized(problem: string): Error {
  return refusal('unauthorized', `FormPost: ${titled(problem)}`, {
    'WWW-Authenticate': 'Swift realm="unknown"',
  });
}

function titled(text: string): string {
  return text.toLowerCase().replace(/(^|[^a-z])([a-z])/g, (_, gap: string, letter: string) => {
    return gap + letter.toUpperCase();
  });
}

class Poster {
  private readonly request: SwiftRequest;
  private readonly next: SwiftHandler;
  private readonly services: SwiftServices;
  private readonly keys: readonly SigningKey[];
  private readonly digests: ReadonlySet<string>;

  constructor(
    request: SwiftRequest,
    next: SwiftHandler,
    services: SwiftServices,
    keys: readonly SigningKey[],
  ) {
    this.request = request;
    this.next = next;
    this.services = services;
    this.keys = keys;
    this.digests = new Set(services.swift.digests.split(/\s+/));
  }

  async store(file: FormFile, fields: Fields): Promise<Outcome> {
    if (this.keys.length === 0) throw unauthorized('invalid signature');
    const bytesMax = integer(fields, 'max_file_size', 'max_file_size not an integer');
    const headers = this.headersFor(file, fields);
    const nowS = this.services.clock.nowUs() / 1_000_000;
    if (integer(fields, 'expires', 'expired not an integer') < nowS)
      throw unauthorized('form expired');
    const grant = this.grantOf(fields);
    if (grant === undefined) throw unauthorized('invalid signature');
    const { account, container, object = '' } = this.request.path;
    const target = container === undefined ? { account } : { account, container };
    const body = new CappedBody(file.body, bytesMax);
    const inner = subRequest(this.request, {
      method: 'PUT',
      path: { ...target, object: object + file.filename },
      headers,
      body,
      caller: granted(this.request.caller, grant),
    });
    const reply = await settled(() => this.next(inner));
    if (body.isTooLarge) throw invalid('max_file_size exceeded');
    return { status: reply.status, message: '', headers: reply.headers };
  }

  private headersFor(file: FormFile, fields: Fields): Record<string, string> {
    const headers: Record<string, string> = {};
    const { origin } = this.request.exchange.headers;
    if (origin !== undefined) headers.origin = origin;
    for (const [field, header, unit] of [
      ['x_delete_at', 'x-delete-at', 'Unix timestamp'],
      ['x_delete_after', 'x-delete-after', 'Number of seconds'],
    ] as const) {
      const text = fields.get(field);
      if (text !== undefined)
        headers[header] = String(parseInteger(text, `${field} not an integer: ${unit} required.`));
    }
    const type = fields.get('content-type') ?? file.contentType;
    if (type !== undefined) headers['content-type'] = toHeader(type || 'application/octet-stream');
    const encoding = fields.get('content-encoding');
    if (encoding) headers['content-encoding'] = toHeader(encoding);
    return headers;
  }

  /** What the form's signature gives; undefined when none of the keys made it. */
  private grantOf(fields: Fields): Grant | undefined {
    const signature = readSignature(fields.get('signature') ?? '');
    if (signature === undefined || !this.digests.has(signature.digest)) return undefined;
    const { account, container, object } = this.request.path;
    const { exchange } = this.request;
    const slash = object === undefined && exchange.url.split('?', 1)[0]?.endsWith('/') === true;
    const path = `/v1/${account}/${container}${object === undefined ? '' : `/${object}`}${slash ? '/' : ''}`;
    const signed = [
      fields.get('redirect') ?? '',
      fields.get('max_file_size') || '0',
      fields.get('max_file_count') || '0',
      fields.get('expires') || '0',
    ];
    const fronts = ['', exchange.prefix ?? ''];
    const made = this.keys.find(({ key }) =>
      fronts.some((front) => {
        const text = [front + path, ...signed].join('\n');
        return isSignature(signature, createHmac(signature.digest, key).update(text).digest());
      }),
    );
    return made?.grant;
  }
}

class CappedBody implements AsyncIterable<Buffer> {
  isTooLarge = false;
  private readonly body: AsyncIterable<Buffer>;
  private readonly bytesMax: number;

  constructor(body: AsyncIterable<Buffer>, bytesMax: number) {
    this.body = body;
    this.bytesMax = bytesMax;
  }

  async *[Symbol.asyncIterator](): AsyncIterator<Buffer> {
    let bytes = 0;
    for await (const chunk of this.body) {
      bytes += chunk.length;
      this.isTooLarge = bytes > this.bytesMax;
      if (this.isTooLarge) throw invalid('max_file_size exceeded');
      yield chunk;
    }
  }
}

function render({ status, message, headers }: Outcome, fields: Fields): Reply {
  const cors = Object.entries(headers).filter(([name]) => /^access-control/i.test(name));
  const redirect = fields.get('redirect');
  const line = statusLine(status);
  if (!redirect) {
    const body = message === '' ? line : `${line}\r\nFormPost: ${titled(message)}`;
    return { status, headers: { ...Object.fromEntries(cors), 'Content-Type': 'text/plain' }, body };
  }
  const query = `status=${status}&message=${encodePercent(message)}`;
  const target = `${redirect}${redirect.includes('?') ? '&' : '?'}${query}`;
  const body = `<html><body><p><a href="${attribute(target)}">Click to continue...</a></p></body></html>`;
  return {
    status: 303,
    headers: {
      ...Object.fromEntries(cors),
      Location: toHeader(target.replace(/[\r\n]/g, '')),
      'Content-Type': 'text/html; charset=UTF-8',
    },
    body,
  };
}

function attribute(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('"', '&quot;').replaceAll('<', '&lt;');
}
