import { createServer, type Server } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { Connection } from './connection.ts';

const get = { method: 'GET', path: '/', headers: {}, body: null } as const;

describe('connection', () => {
  let server: Server | undefined;
  let connection: Connection | undefined;
  afterEach(() => {
    connection?.close();
    server?.closeAllConnections();
    server?.close();
  });
  const open = async (made: Server): Promise<Connection> => {
    server = made;
    await new Promise<void>((resolve) => made.listen(0, '127.0.0.1', resolve));
    const address = made.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    connection = new Connection(`http://127.0.0.1:${address.port}`);
    return connection;
  };

  it('sends again over one connection, bodies and all', async () => {
    let opened = 0;
    const echo = createServer((request, response) => {
      request.pipe(response);
    }).on('connection', () => {
      opened++;
    });
    const to = await open(echo);
    for (const size of [0, 1, 70_000, 3_000_000]) {
      const body = Buffer.alloc(size, size % 251);
      const answer = await to.send({ ...get, method: 'PUT', body }, true);
      expect(answer.body?.equals(body)).toBe(true);
    }
    expect(opened).toBe(1);
  });

  it('does not use a connection that idled until its server may close it', async () => {
    let opened = 0;
    const to = await open(
      createServer((_request, response) => response.end('x')).on('connection', () => {
        opened++;
      }),
    );
    expect((await to.send(get, false)).bytes).toBe(1);
    await sleep(1100);
    expect((await to.send(get, false)).bytes).toBe(1);
    expect(opened).toBe(2);
  });

  it('fails when the server breaks off, and works again afterwards', async () => {
    let count = 0;
    const to = await open(
      createServer((request, response) => {
        count++;
        if (count === 1) request.socket.destroy();
        else if (count === 2)
          response
            .writeHead(200, { 'content-length': 10 })
            .write('half', () => request.socket.destroy());
        else response.end('whole');
      }),
    );
    await expect(to.send(get, true)).rejects.toThrow();
    await expect(to.send(get, true)).rejects.toThrow();
    expect((await to.send(get, true)).body?.toString()).toBe('whole');
  });

  it('fails when nobody listens', async () => {
    const to = await open(createServer());
    await new Promise((resolve) => server?.close(resolve));
    await expect(to.send(get, false)).rejects.toThrow(/ECONNREFUSED/);
  });
});
