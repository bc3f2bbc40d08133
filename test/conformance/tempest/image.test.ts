/**
 * Tempest's tests of images as users make them; those of administrators (metadata definitions among them) as well with
 * PILEUS_TEST_TEMPEST=all. None may fail. What is skipped asks for a second store, a second cloud, a cache or open locations.
 */
import { createServer, type Server } from 'node:http';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { freePortBase, TestCloud } from '../../support/cloud.ts';
import { runTempest } from './tempest.ts';

const all = process.env.PILEUS_TEST_TEMPEST === 'all';
const regex = String.raw`tempest\.api\.image\.v2\.${all ? '' : 'test_'}`;

let cloud: TestCloud;
let web: Server;
let port: number;
beforeAll(async () => {
  port = (await freePortBase()) + 17;
  web = createServer((_request, response) => response.end(Buffer.alloc(100_000, 'image ')));
  await new Promise<void>((resolve) => web.listen(port, '127.0.0.1', resolve));
  // This release of the tests uploads random bytes as images of any format.
  const settings = [
    ...['guest: false', 'volumes: false', 'formatMatch: false'],
    ...['webDownloadHosts: 127.0.0.1', `webDownloadPorts: "80,${port}"`],
  ];
  cloud = await TestCloud.start('tempest-image', `image:\n  ${settings.join('\n  ')}\n`);
});
afterAll(async () => {
  web.close();
  await cloud.remove();
});

it(`passes tempest’s image tests (${all ? 'all' : 'those of users'})`, async () => {
  const { passed, failed } = await runTempest(cloud.info, regex, {
    service_available: { glance: true },
    image: { http_image: `http://127.0.0.1:${port}/image` },
    'image-feature-enabled': { import_image: true, os_glance_reserved: true },
  });
  expect(failed).toEqual([]);
  expect(passed).toBeGreaterThanOrEqual(all ? 60 : 40);
});
