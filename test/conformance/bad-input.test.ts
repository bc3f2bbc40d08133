/** Hostile and broken input against the running product: the right error, no crash, nothing half-written to be seen. */
import * as fs from 'node:fs';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TestCloud } from '../support/cloud.ts';
import { raw, statusOf } from '../support/raw-http.ts';

let cloud: TestCloud;
let path = '';
let auth = '';
let swiftPort = 0;
let s3Port = 0;

beforeAll(async () => {
  cloud = await TestCloud.start('bad-input');
  const { url, token } = await cloud.session();
  path = new URL(url).pathname;
  auth = `Host: x\r\nX-Auth-Token: ${token}\r\nConnection: close\r\n`;
  swiftPort = Number(new URL(cloud.info.endpoints.swift_auth_v1).port);
  s3Port = Number(new URL(cloud.info.endpoints.s3).port);
  expect(
    statusOf(
      await raw(swiftPort, [`PUT ${path}/bad HTTP/1.1\r\n${auth}Content-Length: 0\r\n\r\n`]),
    ),
  ).toBe(201);
});

afterAll(() => cloud.remove());

/** Nothing but what was really stored may be listed. */
async function listed(): Promise<string> {
  const answer = await raw(swiftPort, [`GET ${path}/bad HTTP/1.1\r\n${auth}\r\n`]);
  expect([200, 204]).toContain(statusOf(answer));
  return answer.slice(answer.indexOf('\r\n\r\n') + 4);
}

const residentKiB = () =>
  Number(/VmRSS:\s+(\d+)/.exec(fs.readFileSync(`/proc/${cloud.info.pid}/status`, 'utf8'))?.[1]);

describe('bodies that are not what was promised', () => {
  test('shorter, then the connection ends: nothing is to be seen', async () => {
    await raw(
      swiftPort,
      [
        `PUT ${path}/bad/short HTTP/1.1\r\n${auth}Content-Length: 100000\r\n\r\n`,
        Buffer.alloc(5000),
      ],
      { abort: true },
    );
    expect(await listed()).not.toContain('short');
  });

  test('a chunked body that breaks off, or is malformed', async () => {
    const head = (name: string) =>
      `PUT ${path}/bad/${name} HTTP/1.1\r\n${auth}Transfer-Encoding: chunked\r\n\r\n`;
    await raw(swiftPort, [head('torn'), '1000\r\n', Buffer.alloc(100)], { abort: true });
    await raw(swiftPort, [head('garbled'), 'zzzz\r\nhello\r\n0\r\n\r\n']);
    expect(await listed()).not.toMatch(/torn|garbled/);
  });

  test('the wrong ETag: 422, and nothing stored', async () => {
    const answer = await raw(swiftPort, [
      `PUT ${path}/bad/etag HTTP/1.1\r\n${auth}ETag: ${'0'.repeat(32)}\r\nContent-Length: 3\r\n\r\nabc`,
    ]);
    expect(statusOf(answer)).toBe(422);
    expect(await listed()).not.toContain('etag');
  });

  test('no length at all: 411', async () => {
    expect(
      statusOf(await raw(swiftPort, [`PUT ${path}/bad/nolength HTTP/1.1\r\n${auth}\r\n`])),
    ).toBe(411);
  });

  test('larger than may be: 413 before the body is read', async () => {
    const head = `PUT ${path}/bad/huge HTTP/1.1\r\n${auth}Expect: 100-continue\r\nContent-Length: 5368709123\r\n\r\n`;
    expect(statusOf(await raw(swiftPort, [head]))).toBe(413);
  });
});

describe('requests that are not requests', () => {
  test.each([
    ['bad percent-encoding of UTF-8', '/bad/%ff%fe', 412],
    ['a zero byte', '/bad/a%00b', 412],
    ['a name that is too long', `/bad/${'n'.repeat(1100)}`, 400],
    ['a container name that is too long', `/${'c'.repeat(300)}`, 400],
  ])('%s', async (_what, tail, status) => {
    expect(
      statusOf(
        await raw(swiftPort, [`PUT ${path}${tail} HTTP/1.1\r\n${auth}Content-Length: 0\r\n\r\n`]),
      ),
    ).toBe(status);
  });

  test('dots and slashes are names, not paths', async () => {
    for (const name of ['../../etc/passwd', 'a//b', './x', '..']) {
      const put = await raw(swiftPort, [
        `PUT ${path}/bad/${name} HTTP/1.1\r\n${auth}Content-Length: 1\r\n\r\nx`,
      ]);
      expect(statusOf(put)).toBe(201);
      expect((await listed()).split('\n')).toContain(name);
      expect(
        statusOf(await raw(swiftPort, [`DELETE ${path}/bad/${name} HTTP/1.1\r\n${auth}\r\n`])),
      ).toBe(204);
    }
  });

  test('100,000 headers, and one of 10 MB', async () => {
    const many = Array.from({ length: 100_000 }, (_, at) => `X-Object-Meta-${at}: v\r\n`).join('');
    expect([0, 400, 431]).toContain(
      statusOf(
        await raw(swiftPort, [
          `PUT ${path}/bad/many HTTP/1.1\r\n${auth}${many}Content-Length: 0\r\n\r\n`,
        ]),
      ),
    );
    const long = `X-Object-Meta-Long: ${'v'.repeat(10_000_000)}\r\n`;
    expect([0, 400, 431]).toContain(
      statusOf(await raw(s3Port, [`GET / HTTP/1.1\r\nHost: x\r\n${long}\r\n`])),
    );
    expect(await listed()).not.toContain('many');
  });

  test('more metadata than may be kept: 400', async () => {
    const many = Array.from({ length: 91 }, (_, at) => `X-Object-Meta-${at}: v\r\n`).join('');
    expect(
      statusOf(
        await raw(swiftPort, [
          `PUT ${path}/bad/meta HTTP/1.1\r\n${auth}${many}Content-Length: 0\r\n\r\n`,
        ]),
      ),
    ).toBe(400);
  });

  test.each([
    'GARBAGE\r\n\r\n',
    '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03',
    'GET / HTTP/9.9\r\n\r\n',
    '\r\n\r\n\r\n\r\n',
  ])('not HTTP: %j', async (text) => {
    expect([0, 400, 505]).toContain(
      statusOf(await raw(swiftPort, [Buffer.from(text, 'latin1')], { withinMs: 1000 })),
    );
  });

  test('a listing of a billion: 412', async () => {
    expect(
      statusOf(await raw(swiftPort, [`GET ${path}/bad?limit=1000000000 HTTP/1.1\r\n${auth}\r\n`])),
    ).toBe(412);
  });
});

describe('credentials that are not good', () => {
  test.each([
    'nonsense',
    'AUTH_tk00000000000000000000000000000000',
    'eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbiJ9.',
    'a'.repeat(4000),
  ])('token %s', async (token) => {
    const answer = await raw(swiftPort, [
      `GET ${path}/bad HTTP/1.1\r\nHost: x\r\nX-Auth-Token: ${token}\r\nConnection: close\r\n\r\n`,
    ]);
    expect(statusOf(answer)).toBe(401);
  });

  test('no token: 401 with a challenge', async () => {
    const answer = await raw(swiftPort, [
      `GET ${path}/bad HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`,
    ]);
    expect(statusOf(answer)).toBe(401);
    expect(answer.toLowerCase()).toContain('www-authenticate:');
  });

  test('a changed token', async () => {
    const { token } = await cloud.session();
    for (const at of [5, Math.floor(token.length / 2), token.length - 5]) {
      const changed = token.slice(0, at) + (token[at] === 'A' ? 'B' : 'A') + token.slice(at + 1);
      const answer = await raw(swiftPort, [
        `GET ${path}/bad HTTP/1.1\r\nHost: x\r\nX-Auth-Token: ${changed}\r\nConnection: close\r\n\r\n`,
      ]);
      expect(statusOf(answer)).toBe(401);
    }
  });

  test('S3: unknown key, wrong signature, expired link', async () => {
    const key = cloud.info.s3.access_key;
    const query = (more: string) =>
      `X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=${more}&X-Amz-SignedHeaders=host&X-Amz-Signature=${'0'.repeat(64)}`;
    const ask = async (target: string) => {
      const answer = await raw(s3Port, [
        `GET ${target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`,
      ]);
      return `${statusOf(answer)} ${/<Code>(\w+)/.exec(answer)?.[1]}`;
    };
    const now = `${new Date().toISOString().replaceAll(/[-:]|\.\d+/g, '')}`;
    const day = now.slice(0, 8);
    expect(
      await ask(
        `/?${query(`NOSUCHKEY%2F${day}%2FRegionOne%2Fs3%2Faws4_request`)}&X-Amz-Date=${now}&X-Amz-Expires=60`,
      ),
    ).toBe('403 InvalidAccessKeyId');
    expect(
      await ask(
        `/?${query(`${key}%2F${day}%2FRegionOne%2Fs3%2Faws4_request`)}&X-Amz-Date=${now}&X-Amz-Expires=60`,
      ),
    ).toBe('403 SignatureDoesNotMatch');
    expect(
      await ask(
        `/?${query(`${key}%2F20200101%2FRegionOne%2Fs3%2Faws4_request`)}&X-Amz-Date=20200101T000000Z&X-Amz-Expires=60`,
      ),
    ).toBe('403 AccessDenied');
    expect(await ask('/')).toBe('403 AccessDenied');
  });
});

describe('NBD', () => {
  const nbdPort = () => Number(new URL(cloud.info.endpoints.nbd).port);

  function speak(bytes: Buffer): Promise<Buffer> {
    return new Promise((resolve) => {
      const socket = connect(nbdPort(), '127.0.0.1');
      const got: Buffer[] = [];
      socket.on('data', (chunk) => got.push(chunk));
      socket.on('error', () => resolve(Buffer.concat(got)));
      socket.on('close', () => resolve(Buffer.concat(got)));
      socket.write(bytes);
      setTimeout(() => socket.destroy(), 1500);
    });
  }

  test('greets as fixed newstyle, and survives what is no handshake', async () => {
    const flags = Buffer.from('00000003', 'hex');
    const option = (number: number, length: number, data = Buffer.alloc(0)) => {
      const head = Buffer.alloc(16);
      head.write('IHAVEOPT', 0, 'latin1');
      head.writeUInt32BE(number, 8);
      head.writeUInt32BE(length, 12);
      return Buffer.concat([flags, head, data]);
    };
    const attempts = [
      Buffer.alloc(0),
      Buffer.from('GET / HTTP/1.1\r\n\r\n'),
      Buffer.alloc(100_000, 0xff),
      option(7, 0xffffffff),
      option(6, 4, Buffer.from('ffffffff', 'hex')),
      option(9999, 3, Buffer.from('abc')),
      option(1, 4096, Buffer.alloc(4096, 0x41)),
    ];
    for (const attempt of attempts) {
      const answer = await speak(attempt);
      expect(answer.toString('latin1', 0, 16)).toBe('NBDMAGICIHAVEOPT');
    }
  });

  test('hundreds of half-open connections do not lock others out', async () => {
    const sockets = Array.from({ length: 300 }, () =>
      connect(nbdPort(), '127.0.0.1').on('error', () => undefined),
    );
    await new Promise((resolve) => setTimeout(resolve, 500));
    const { nbd } = JSON.parse(
      await cloud.pileus([
        'volume',
        'create',
        '--name',
        'alive',
        '--size',
        '64MiB',
        '--export',
        '--json',
      ]),
    );
    expect(nbd).toMatch(/^nbd:\/\//);
    for (const socket of sockets) socket.destroy();
  });
});

test('after all that it is the same process, well, and no larger than it should be', async () => {
  const status = JSON.parse(await cloud.pileus(['status', '--json']));
  expect(status.healthy).toBe(true);
  expect(status.pid).toBe(cloud.info.pid);
  const before = residentKiB();
  for (let at = 0; at < 300; at++) {
    await raw(
      swiftPort,
      [
        `PUT ${path}/bad/again HTTP/1.1\r\n${auth}Content-Length: 1000000\r\n\r\n`,
        Buffer.alloc(200_000),
      ],
      { withinMs: 5 },
    );
  }
  // 300 aborted uploads of up to 1 MB each would be 60 MB and more if their buffers stayed.
  expect(residentKiB() - before).toBeLessThan(150_000);
  expect(await listed()).toBe('');
});
