import * as tls from 'node:tls';
import { expect, test } from 'vitest';
import { defaultsOf, seededRandom, silentLogger, systemClock } from '#common';
import { createAuthority, issueCertificate } from '#wire';
import { listenHttp } from './http-server.ts';
import { proxySettings } from './settings.ts';

test('targets with bytes beyond ASCII are taken over TLS, and a connection goes on after one', async () => {
  const parts = { clock: systemClock, random: seededRandom(1) };
  const authority = await createAuthority({ ...parts, cluster: 'test' });
  const issued = await issueCertificate({
    ...parts,
    authority,
    name: 'door',
    hosts: ['127.0.0.1', 'localhost'],
  });
  const seen: string[] = [];
  const server = await listenHttp(
    {
      ...parts,
      log: silentLogger,
      settings: defaultsOf(proxySettings),
      tls: { key: issued.key, cert: issued.certificate },
      handler: async ({ method, url, body, secure }) => {
        seen.push(`${method} ${url} ${(await body.whole(100)).toString()} ${secure}`);
        return { status: 200, headers: {}, body: '' };
      },
    },
    { host: '127.0.0.1', port: 0 },
  );
  try {
    const socket = tls.connect({
      port: server.port,
      host: '127.0.0.1',
      ca: authority.certificate,
    });
    const lines = [
      'PUT /é HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nab',
      'GET /plain HTTP/1.1\r\nHost: x\r\n\r\n',
      'GET /☃ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n',
    ];
    let answers = 0;
    socket.write(lines[0] ?? '');
    // Each after the answer to the one before: answers without a body come whole.
    for await (const chunk of socket) {
      answers += String(chunk).split('HTTP/1.1 200').length - 1;
      const next = lines[answers];
      if (next !== undefined) socket.write(next);
    }
    expect(answers).toBe(3);
  } finally {
    await server.close();
  }
  expect(seen).toEqual(['PUT /%C3%A9 ab true', 'GET /plain  true', 'GET /%E2%98%83  true']);
});
