/** A process that dies in the midst of giving an image its data: the image is never stuck, and nothing is left behind. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { examineWorkflow } from '../operations/testing/examine.ts';
import { newImage, patch, textOf } from './testing/client.ts';
import { newRemains, openWorld, type Remains, removeRemains, type World } from './testing/world.ts';

const owner = 'alpha/member,reader/ann';
const data = Buffer.from('the bytes of an image');

let web: Server;
let uri: string;
beforeAll(async () => {
  web = createServer((_request, response) => response.end(data));
  await new Promise<void>((resolve) => web.listen(0, '127.0.0.1', resolve));
  uri = `http://127.0.0.1:${(web.address() as AddressInfo).port}/image`;
});
afterAll(() => web.close());

const settings = { webDownloadHosts: '127.0.0.1', webDownloadPorts: '*' };

describe('an upload', () => {
  let remains: Remains;
  beforeEach(async () => {
    remains = await newRemains();
  });
  afterEach(() => removeRemains(remains));

  it('ends with its process; the next one takes the image back, and the dead changes nothing any more', async () => {
    let goOn: () => void = () => undefined;
    const waiting = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    let reached: () => void = () => undefined;
    const stored = new Promise<void>((resolve) => {
      reached = resolve;
    });
    // The first process hangs when all bytes are there and nothing refers to them yet.
    const first = await openWorld(remains, {
      hook: async (what) => {
        if (what !== 'put') return;
        reached();
        await waiting;
      },
    });
    const id = await newImage(first, owner);
    const upload = first.call(owner, 'PUT', `/v2/images/${id}/file`, { raw: data });
    await stored;
    const path = `/v2/images/${id}`;
    expect((await first.call(owner, 'GET', path)).json.status).toBe('saving');
    expect((await first.call(owner, 'PUT', `${path}/file`, { raw: data })).status).toBe(409);

    const second = await openWorld(remains);
    expect((await second.call(owner, 'GET', path)).json.status).toBe('queued');
    expect((await second.call(owner, 'PUT', `${path}/file`, { raw: data })).status).toBe(204);
    goOn();
    expect((await upload).status).toBe(410);
    const shown = await second.call(owner, 'GET', path);
    expect([shown.json.status, shown.json.size]).toEqual(['active', data.length]);
    await second.settled();
    await until(() => kept(remains) === 'volume');
    expect((await second.call(owner, 'DELETE', path)).status).toBe(204);
    await until(() => remains.files.size === 0 && remains.volumes.size === 0);
    await first.close();
    await second.close();
  });

  it('that is cut off leaves nothing, and the image as it was', async () => {
    const world = await openWorld(remains);
    const id = await newImage(world, owner);
    const broken = Readable.from(
      (async function* () {
        yield data;
        throw new Error('the client is gone');
      })(),
    );
    await expect(
      world.call(owner, 'PUT', `/v2/images/${id}/file`, { raw: broken }),
    ).rejects.toThrow();
    // The server may hear of the end later than the client.
    await until(async () => {
      const again = await world.call(owner, 'PUT', `/v2/images/${id}/file`, { raw: data });
      return again.status === 204;
    });
    await world.settled();
    await until(() => kept(remains) === 'volume');
    await world.close();
  });

  it('ends when its image is deleted', async () => {
    const world = await openWorld(remains, {
      hook: async (what) => {
        if (what === 'put') await world.call(owner, 'DELETE', `/v2/images/${id}`);
      },
    });
    const id = await newImage(world, owner);
    const answer = await world.call(owner, 'PUT', `/v2/images/${id}/file`, { raw: data });
    expect(answer.status).toBe(410);
    await until(() => remains.files.size === 0);
    const usage = (await world.call(owner, 'GET', '/v2/info/usage')).json.usage;
    expect(JSON.stringify(usage)).not.toMatch(/"usage":[1-9]/);
    await world.close();
  });
});

/** Where bytes are: a raw image ends up in its volume alone. */
const kept = ({ files, volumes }: Remains): string =>
  [...Array(files.size).fill('file'), ...Array(volumes.size).fill('volume')].join(' ');

async function until(good: () => boolean | Promise<boolean>): Promise<void> {
  for (let tries = 0; !(await good()); tries++) {
    if (tries > 400) throw new Error('it did not come to that');
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

describe('an import', () => {
  it.each([
    { source: 'the web', status: 'active' },
    { source: 'staged bytes', status: 'active' },
    { source: 'an object, by reference', status: 'active' },
    { source: 'a page with something else', status: 'queued' },
  ])('from $source ends wherever its process dies', async ({ source, status }) => {
    const byReference = source === 'an object, by reference';
    // Of bytes that were lent a volume is made when somebody wants one.
    const stored = status !== 'active' ? '' : byReference ? 'file' : 'volume';
    const { points } = await examineWorkflow(async () => {
      const remains = await newRemains();
      let id = '';
      let world: World;
      return {
        open: async (reached) => {
          world = await openWorld(remains, { settings, reached, object: data });
          return world;
        },
        start: async (operations) => {
          id = await newImage(world, owner, { disk_format: status === 'active' ? 'raw' : 'qcow2' });
          const staged = source === 'staged bytes';
          if (staged) await world.call(owner, 'PUT', `/v2/images/${id}/stage`, { raw: data });
          const from = byReference ? 'swift://box/disk' : uri;
          const method = staged ? { name: 'glance-direct' } : { name: 'web-download', uri: from };
          const answer = await world.call(owner, 'POST', `/v2/images/${id}/import`, {
            body: { method },
          });
          if (answer.status !== 202) throw new Error(`import answered ${answer.bytes}`);
          return (await operations.findLatest({ type: 'image', id }))?.id ?? '';
        },
        check: async (_operation, diedAt) => {
          world = await openWorld(remains, { settings, object: data });
          await world.settled();
          const shown = await world.call(owner, 'GET', `/v2/images/${id}`);
          expect([diedAt, shown.json.status]).toEqual([diedAt, status]);
          const tasks = await world.call(owner, 'GET', `/v2/images/${id}/tasks`);
          expect(JSON.stringify(tasks.json)).toContain(
            status === 'active' ? '"success"' : '"failure"',
          );
          if (status === 'queued')
            expect(textOf(shown.json.os_glance_failed_reason)).toContain('raw');
          await until(() => kept(remains) === stored);
          expect(
            (await patch(world, owner, id, [{ op: 'replace', path: '/name', value: 'n' }])).status,
          ).toBe(200);
          expect((await world.call(owner, 'DELETE', `/v2/images/${id}`)).status).toBe(204);
          await until(() => remains.files.size === 0 && remains.volumes.size === 0);
          await world.close();
        },
        remove: () => removeRemains(remains),
      };
    });
    expect(points.length).toBeGreaterThanOrEqual(4);
  });
});
