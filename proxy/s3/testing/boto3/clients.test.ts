/** What boto3 sees of the S3 reference, module by module: each a process of its own against one world. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { run } from '../clients.ts';
import { type S3World, startS3World } from '../s3-world.ts';

let world: S3World;
beforeAll(async () => {
  world = await startS3World({ s3: { baseDomains: 's3.test' } });
});
afterAll(() => world.close());

const folder = import.meta.dirname;

test.each(['versions', 'locks', 'access', 'settings', 'identity', 'objects', 'bodies'])(
  '%s',
  { timeout: 120_000 },
  async (name) => {
    const ran = await run(world, ['python3', '-W', 'ignore', 'harness.py', name], { cwd: folder });
    expect(ran.code, `${ran.out}${ran.err}`).toBe(0);
  },
);
