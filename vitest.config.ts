import { defineConfig } from 'vitest/config';

const elsewhere = ['node_modules/**', '.runtime/**', '.cache/**', 'data/**', 'dashboard/**'];

/**
 * One project a kind of test; `./pileus test` runs them in order. Where whole clouds are killed, or time and memory are looked at, one
 * file runs at a time: those of a kind called KIND-alone after the others of KIND.
 */
function kind(
  name: string,
  include: string[],
  options: { exclude?: string[]; serial?: boolean; timeoutMs?: number; after?: boolean } = {},
) {
  return {
    test: {
      name,
      include,
      exclude: [...elsewhere, ...(options.exclude ?? [])],
      pool: 'forks' as const,
      fileParallelism: options.serial !== true,
      maxWorkers: options.serial === true ? 1 : 2,
      sequence: { groupOrder: options.after === true ? 1 : 0 },
      testTimeout: options.timeoutMs ?? 60_000,
      hookTimeout: options.timeoutMs ?? 60_000,
    },
  };
}

// Real outside programs stand beside rooms in files of these names; they are conformance, not unit tests.
const outside = ['**/clients.test.ts', '**/conformance/**/*.test.ts', 'tools/**/*.test.ts'];

// How soon, or in how much memory, is part of what they say; or this host's one route to floating IPs.
const alone = ['revocation', 'uploads-memory', 'network-client', 'openstack-server', 'demo'].map(
  (name) => `test/conformance/${name}.test.ts`,
);

// Stored bytes of every format version, opened again.
const golden = ['**/golden/**/*.test.ts'];

export default defineConfig({
  test: {
    projects: [
      kind('tidy', ['test/tidy/**/*.test.ts']),
      kind('unit', ['**/*.test.ts'], { exclude: ['test/**', ...golden, ...outside] }),
      kind('formats', ['test/formats/**/*.test.ts', ...golden]),
      kind('sim', ['test/sim/**/*.test.ts'], { timeoutMs: 300_000 }),
      kind('cluster', ['test/cluster/**/*.test.ts'], { serial: true, timeoutMs: 600_000 }),
      kind('conformance', ['test/conformance/**/*.test.ts', ...outside], {
        exclude: alone,
        timeoutMs: 600_000,
      }),
      kind('conformance-alone', alone, { serial: true, timeoutMs: 600_000, after: true }),
    ],
  },
});
