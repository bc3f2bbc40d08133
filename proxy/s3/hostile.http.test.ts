/** Requests that mean harm: the right refusal, in bounded time and memory. */
import * as http from 'node:http';
import * as net from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { redKey, type S3World, startS3World } from './testing/s3-world.ts';
import { type Answer, type Call, send, signCall } from './testing/signed-client.ts';

let world: S3World;
beforeAll(async () => {
  world = await startS3World();
  await call('PUT', '/bucket');
  await call('PUT', '/bucket/secret', { body: 'a secret' });
});
afterAll(() => world.close());

const call = (method: string, path: string, more: Partial<Call> = {}): Promise<Answer> =>
  send(world, { method, path, ...more });

async function quickly<T>(work: () => Promise<T>, withinMs = 5_000): Promise<T> {
  const startMs = performance.now();
  const result = await work();
  expect(performance.now() - startMs).toBeLessThan(withinMs);
  return result;
}

describe('XML', () => {
  const bodies: Readonly<Record<string, string>> = {
    'entities that expand': `<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><CORSConfiguration><CORSRule><AllowedMethod>GET</AllowedMethod><AllowedOrigin>&b;</AllowedOrigin></CORSRule></CORSConfiguration>`,
    'an entity from a file': `<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]><CORSConfiguration><CORSRule><AllowedMethod>GET</AllowedMethod><AllowedOrigin>&f;</AllowedOrigin></CORSRule></CORSConfiguration>`,
    'a document type from elsewhere':
      '<!DOCTYPE x SYSTEM "http://127.0.0.1:1/x.dtd"><CORSConfiguration/>',
    'elements without end': '<CORSConfiguration>'.repeat(50_000),
    'elements too deep': `${'<a>'.repeat(100)}${'</a>'.repeat(100)}`,
    'elements too many': `<CORSConfiguration>${'<a/>'.repeat(100_000)}</CORSConfiguration>`,
    'bytes that are no text': '<CORSConfiguration>\u0000</CORSConfiguration',
    'names of the language':
      '<CORSConfiguration><__proto__><x>1</x></__proto__><constructor/></CORSConfiguration>',
  };
  test.each(Object.entries(bodies))('%s', async (_, body) => {
    const answer = await quickly(() => call('PUT', '/bucket?cors', { body }));
    expect(answer.code).toBe('MalformedXML');
    expect(answer.text).not.toContain('root:');
    expect((await call('GET', '/bucket?cors')).code).toBe('NoSuchCORSConfiguration');
  });

  test('a document that does not end is not read to its end', async () => {
    const path = '/bucket?delete';
    const headers = { 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD', 'transfer-encoding': 'chunked' };
    const signed = signCall(world, { method: 'POST', path, headers });
    const piece = Buffer.alloc(1_048_576, '<Object><Key>a</Key></Object>');
    let sent = 0;
    const status = await quickly(
      () =>
        new Promise<number>((resolve, reject) => {
          const request = http.request(
            {
              host: '127.0.0.1',
              port: world.port,
              method: 'POST',
              path,
              headers: signed.headers ?? {},
            },
            (response) => {
              response.resume();
              resolve(response.statusCode ?? 0);
            },
          );
          // The server hangs up on what it no longer wants.
          request.on('error', (error) => (sent > 0 ? resolve(400) : reject(error)));
          const pour = (): void => {
            if (request.destroyed || sent >= 1024) return;
            sent += 1;
            request.write(piece, (error) => {
              if (!error) setImmediate(pour);
            });
          };
          pour();
        }),
      20_000,
    );
    expect(status).toBe(400);
    expect(sent).toBeLessThan(200);
  });
});

describe('what nobody signed', () => {
  test('a copy source on a presigned PUT, however it is spelt', async () => {
    const signed = signCall(world, { method: 'PUT', path: '/bucket/target', presign: true });
    const path = signed.path ?? '';
    for (const header of ['x-amz-copy-source', 'X-Amz-Copy-Source', 'x-amz-copy-source ']) {
      const answer = await send(world, {
        method: 'PUT',
        path,
        anonymous: true,
        headers: { [header.trim()]: '/bucket/secret' },
      });
      expect(answer.code).toBe('AccessDenied');
    }
    // Swift's name for it means nothing here, signed or not.
    const other = await send(world, {
      ...{ method: 'PUT', path, anonymous: true },
      headers: { 'x-copy-from': '/bucket/secret' },
    });
    expect(other.status).toBe(200);
    expect((await call('GET', '/bucket/target')).text).toBe('');
  });

  test('a list, a lock, a tag or a redirect added on the way', async () => {
    const signed = signCall(world, { method: 'PUT', path: '/bucket/added', presign: true });
    for (const [name, value] of [
      ['x-amz-acl', 'public-read'],
      ['x-amz-tagging', 'a=b'],
      ['x-amz-object-lock-legal-hold', 'ON'],
      ['x-amz-website-redirect-location', 'https://evil.example/'],
      ['x-amz-security-token', 'x'],
    ] as const) {
      const headers = { [name]: value };
      const answer = await send(world, {
        method: 'PUT',
        path: signed.path ?? '',
        anonymous: true,
        headers,
      });
      expect([400, 403]).toContain(answer.status);
    }
    expect((await call('HEAD', '/bucket/added')).status).toBe(404);
  });

  test('the method, the path and the query of a presigned request are its own', async () => {
    const { path = '' } = signCall(world, { method: 'GET', path: '/bucket/secret', presign: true });
    for (const [method, changed] of [
      ['DELETE', path],
      ['GET', path.replace('secret', 'target')],
      ['GET', `${path}&versionId=null`],
      ['GET', `${path}&acl`],
    ] as const)
      expect((await send(world, { method, path: changed, anonymous: true })).status).toBe(403);
  });
});

function speak(text: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = net.connect(world.port, '127.0.0.1', () => socket.write(text));
    let heard = '';
    socket.on('data', (piece) => {
      heard += piece.toString('latin1');
    });
    socket.on('error', () => resolve(heard));
    socket.on('close', () => resolve(heard));
    socket.setTimeout(2_000, () => socket.destroy());
  });
}

describe('smuggling', () => {
  const inner = 'GET /bucket/secret HTTP/1.1\r\nHost: x\r\n\r\n';

  test.each([
    ['two lengths', 'Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello'],
    [
      'a length and chunks',
      `Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${inner}`,
    ],
    ['chunks by another name', `Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n${inner}`],
    ['a length that is no number', 'Content-Length: 5x\r\n\r\nhello'],
    ['a folded header', `X: a\r\n b\r\nContent-Length : 5\r\n\r\nhello`],
  ])('%s', async (_, rest) => {
    const heard = await speak(`PUT /bucket/smuggled HTTP/1.1\r\nHost: x\r\n${rest}`);
    expect(heard).not.toContain('a secret');
    expect(heard).not.toMatch(/^HTTP\/1\.1 2/m);
  });
});

describe('policies', () => {
  const statement = (more: object) => ({
    ...{
      Effect: 'Allow',
      Principal: '*',
      Action: 's3:GetObject',
      Resource: 'arn:aws:s3:::bucket/*',
    },
    ...more,
  });
  const put = (statements: readonly object[]) =>
    call('PUT', '/bucket?policy', {
      body: JSON.stringify({ Version: '2012-10-17', Statement: statements }),
    });

  test('a million statements are refused', async () => {
    const body = `{"Version":"2012-10-17","Statement":[${'{},'.repeat(1_000_000)}{}]}`;
    const answer = await quickly(() => call('PUT', '/bucket?policy', { body }));
    expect(['MaxMessageLengthExceeded', 'PolicyTooLarge']).toContain(answer.code);
  });

  test('patterns that backtrack cost little', async () => {
    const pattern = `arn:aws:s3:::bucket/${'*a'.repeat(4_000)}b`;
    expect((await put([statement({ Resource: pattern })])).status).toBe(204);
    const key = 'a'.repeat(1_000);
    const answer = await quickly(() => call('GET', `/bucket/${key}`, { key: redKey }));
    expect(answer.code).toBe('AccessDenied');
    await call('DELETE', '/bucket?policy');
  });

  test('names of the language are only names', async () => {
    const condition = { Condition: { StringEquals: { __proto__: 'x', constructor: 'y' } } };
    expect((await put([statement(condition)])).status).toBe(204);
    expect((await call('GET', '/bucket/secret', { anonymous: true })).code).toBe('AccessDenied');
    expect((await put([statement({ Condition: { constructor: { a: 'b' } } })])).code).toBe(
      'MalformedPolicy',
    );
    await call('DELETE', '/bucket?policy');
  });
});

describe('forms', () => {
  const form = (head: string, extra = '') =>
    call('POST', '/bucket', {
      anonymous: true,
      headers: { 'content-type': 'multipart/form-data; boundary=b' },
      body: `${head}--b\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\nx${extra}`,
    });
  const field = (name: string, value: string) =>
    `--b\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`;

  test('fields too many, too long, or without an end', async () => {
    const many = await form(field('key', 'k') + field('a', 'b').repeat(5_000), '\r\n--b--\r\n');
    expect([400, 403]).toContain(many.status);
    const long = await form(
      field('key', 'k') + field('x-amz-meta-a', 'x'.repeat(100_000)),
      '\r\n--b--\r\n',
    );
    expect(long.code).toBe('MaxPostPreDataLengthExceededError');
    expect((await form(field('key', 'k'))).status).toBeGreaterThanOrEqual(400);
  });

  test('a file that is cut off leaves nothing', async () => {
    const acl = { 'x-amz-acl': 'public-read-write' };
    await call('PUT', '/open-bucket', { headers: acl });
    const answer = await call('POST', '/open-bucket', {
      anonymous: true,
      headers: { 'content-type': 'multipart/form-data; boundary=b' },
      body: `${field('key', 'cut')}--b\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\nhalf of it`,
    });
    expect(answer.status).toBe(400);
    expect((await call('GET', '/open-bucket/cut')).status).toBe(404);
  });
});

test('chunks that are framed wrongly, cut off, or longer than was said', async () => {
  const base = {
    'x-amz-content-sha256': 'STREAMING-UNSIGNED-PAYLOAD-TRAILER',
    'content-encoding': 'aws-chunked',
    'x-amz-decoded-content-length': '5',
    'x-amz-trailer': 'x-amz-checksum-crc32',
  };
  const put = (body: string) => call('PUT', '/bucket/chunked', { headers: base, body });
  const trailer = 'x-amz-checksum-crc32:NhCmhg==\r\n\r\n';
  expect((await put(`5\r\nhello\r\n0\r\n${trailer}`)).status).toBe(200);
  await call('DELETE', '/bucket/chunked');
  for (const [body, code] of [
    [`5\r\nhello\r\n`, 'IncompleteBody'],
    [`3\r\nhel\r\n0\r\n${trailer}`, 'IncompleteBody'],
    [`6\r\nhello!\r\n0\r\n${trailer}`, 'IncompleteBody'],
    [`zz\r\nhello\r\n0\r\n${trailer}`, 'InvalidChunkSizeError'],
    [`5\r\nhelloXX0\r\n${trailer}`, 'InvalidChunkSizeError'],
    [`5\r\nhello\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n`, 'BadDigest'],
    [`5\r\nhello\r\n0\r\n\r\n`, 'MalformedTrailerError'],
  ] as const) {
    expect((await put(body)).code).toBe(code);
    expect((await call('HEAD', '/bucket/chunked')).status).toBe(404);
  }
});

test('tokens, keys and forms of sessions that nobody gave out', async () => {
  for (const token of ['x', 'A'.repeat(20_000), Buffer.alloc(200, 1).toString('base64')]) {
    const answer = await call('GET', '/', { headers: { 'x-amz-security-token': token } });
    expect([400, 403, 431]).toContain(answer.status);
  }
  const form = { method: 'POST', path: '/', body: `Action=${'x'.repeat(200_000)}` };
  expect((await send(world, { ...form, anonymous: true })).status).toBe(400);
});
