/** The tour runs, to its last line. */
import { expect, test } from 'vitest';
import { pileus } from '../support/cloud.ts';

test('pileus demo: network, server, ssh, volume, kill -9, image, end', async () => {
  const ran = await pileus(['demo'], { timeoutMs: 600_000 });
  expect(ran.stdout + ran.stderr).toContain('what the guest had synced was there after the kill');
  expect(ran.stdout).toMatch(/from `server create` to the ssh prompt: [\d.]+ s/);
  expect(ran.code).toBe(0);
}, 620_000);
