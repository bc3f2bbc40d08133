/** The tour runs, to its last line. */
import { expect, test } from 'vitest';
import { pileus } from '../support/cloud.ts';

test('pileus demo: image, volume, guest, kill -9, everything still there', async () => {
  const ran = await pileus(['demo'], { timeoutMs: 500_000 });
  expect(ran.stdout + ran.stderr).toContain(
    'what the guest had written and synced before the kill was there after it',
  );
  expect(ran.code).toBe(0);
});
