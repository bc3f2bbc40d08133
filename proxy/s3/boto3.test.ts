/** What boto3 sees of the S3 reference, module by module (`testing/boto3/`): each a process of its own against one world. */
import * as path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { run } from './testing/clients.ts';
import { type S3World, startS3World } from './testing/s3-world.ts';

let world: S3World;
beforeAll(async () => {
  world = await startS3World();
});
afterAll(() => world.close());

const folder = path.join(import.meta.dirname, 'testing/boto3');

test.each(['versions', 'locks', 'access', 'settings', 'identity'])(
  '%s',
  { timeout: 120_000 },
  async (name) => {
    const ran = await run(world, ['python3', '-W', 'ignore', 'harness.py', name], { cwd: folder });
    expect(ran.code, `${ran.out}${ran.err}`).toBe(0);
  },
);
