/** Objects of buckets of S3 endpoints, as backups need them. */
import { Buffer } from 'node:buffer';
import * as fs from 'node:fs';
import aws4 from 'aws4';
import type { Dispatcher } from 'undici';
import { type BackupStore, backupObjectBytesMax } from '#block-gateway';
import { Failure } from '#common';
import type { BackupTarget, TargetPlace } from './backup-targets.ts';

const requestTimeoutMs = 120_000;
const triesMax = 4;
const firstPauseMs = 250;

const firstRegion = 'us-east-1';

/** Objects of a bucket, which is made at the first backup. */
export function s3Backups(
  place: TargetPlace,
  pause: (ms: number) => Promise<void>,
): BackupStore & { delete(name: string): Promise<void> } {
  const { target, bucket } = place;
  const ask = (method: string, name: string, body?: Buffer) =>
    withRetries(pause, () => request(target, method, `/${bucket}${name}`, body));
  return {
    put: async (name, chunks) => {
      const body = Buffer.concat(chunks);
      const first = await ask('PUT', pathOf(name), body);
      if (first.status === 404) refuse(await ask('PUT', '', newBucket(target)), [200, 409], bucket);
      const answer = first.status === 404 ? await ask('PUT', pathOf(name), body) : first;
      refuse(answer, [200], name);
    },
    get: async (name) => {
      const answer = await ask('GET', pathOf(name));
      if (answer.status === 404)
        throw new Failure('missing', 'backup-missing', 'The backup store has no such object', {
          facts: { name },
        });
      refuse(answer, [200], name);
      return answer.body;
    },
    delete: async (name) => refuse(await ask('DELETE', pathOf(name)), [200, 204, 404], name),
  };
}

/** Names come from records that may have been imported: none may lead out of its bucket. */
function pathOf(name: string): string {
  const parts = name.split('/');
  if (parts.some((part) => part === '' || part === '.' || part === '..'))
    throw new Failure('invalid', 'bad-backup', 'A backup name leads out of its bucket', {
      facts: { name },
    });
  return `/${parts.map(encodeURIComponent).join('/')}`;
}

/** Endpoints of other regions want to be told theirs. */
function newBucket({ region = firstRegion }: BackupTarget): Buffer {
  if (region === firstRegion) return Buffer.alloc(0);
  return Buffer.from(
    '<CreateBucketConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">' +
      `<LocationConstraint>${region}</LocationConstraint></CreateBucketConfiguration>`,
  );
}

interface Answer {
  readonly status: number;
  readonly body: Buffer;
}

async function request(
  target: BackupTarget,
  method: string,
  path: string,
  body?: Buffer,
): Promise<Answer> {
  const { origin, host } = new URL(target.endpoint);
  const sent = method === 'PUT' ? (body ?? Buffer.alloc(0)) : undefined;
  const signed = aws4.sign(
    {
      ...{ host, method, path, service: 's3', region: target.region ?? firstRegion },
      // All headers are signed: one that is not sent would spoil it.
      ...(sent === undefined ? {} : { body: sent }),
      headers: sent === undefined ? {} : { 'Content-Length': String(sent.length) },
    },
    { accessKeyId: target.accessKey, secretAccessKey: target.secretKey },
  );
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(signed.headers ?? {}))
    if (!['host', 'content-length'].includes(name.toLowerCase())) headers[name] = String(value);
  const undici = await import('undici');
  const answer = await undici.request(`${origin}${path}`, {
    dispatcher: await dispatcherOf(target),
    method: method as 'GET' | 'PUT' | 'DELETE',
    headers,
    ...(sent === undefined ? {} : { body: sent }),
    headersTimeout: requestTimeoutMs,
    bodyTimeout: requestTimeoutMs,
  });
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of answer.body) {
    bytes += chunk.length;
    if (bytes > backupObjectBytesMax) {
      answer.body.destroy();
      throw new Failure('corrupt', 'backup-too-large', 'An object is too large for a backup');
    }
    chunks.push(chunk);
  }
  return { status: answer.statusCode, body: Buffer.concat(chunks) };
}

const dispatchers = new Map<string, Dispatcher>();

/** One pool of connections for each set of certificates that is trusted beside the usual ones. */
async function dispatcherOf({ caFile }: BackupTarget): Promise<Dispatcher> {
  const undici = await import('undici');
  if (caFile === undefined) return undici.getGlobalDispatcher();
  const known = dispatchers.get(caFile);
  if (known !== undefined) return known;
  const { rootCertificates } = await import('node:tls');
  const ca = [...rootCertificates, fs.readFileSync(caFile, 'utf8')];
  const made = new undici.Agent({ connect: { ca } });
  dispatchers.set(caFile, made);
  return made;
}

/** What may pass by itself is tried again: no connection, and answers that say so. All requests may be repeated. */
async function withRetries(
  pause: (ms: number) => Promise<void>,
  work: () => Promise<Answer>,
): Promise<Answer> {
  for (let tries = 1; ; tries++) {
    try {
      const answer = await work();
      if ((answer.status < 500 && answer.status !== 429) || tries === triesMax) return answer;
    } catch (error) {
      if (error instanceof Failure) throw error;
      if (tries === triesMax)
        throw new Failure(
          'unreachable',
          'backup-target-away',
          'The backup target is out of reach',
          {
            cause: error,
          },
        );
    }
    await pause(firstPauseMs * 2 ** tries);
  }
}

function refuse(answer: Answer, expected: readonly number[], name: string): void {
  if (expected.includes(answer.status)) return;
  const kind = answer.status >= 500 ? 'unreachable' : 'denied';
  throw new Failure(kind, 'backup-target-refused', 'The backup target refused a request', {
    facts: { name, status: answer.status },
  });
}
