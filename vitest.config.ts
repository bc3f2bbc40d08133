import { defineConfig } from 'vitest/config';

const elsewhere = ['node_modules/**', '.runtime/**', '.cache/**', 'data/**', 'dashboard/**'];

/** One project a kind of test; `./pileus test` runs them in order. Kinds with real processes run one file at a time. */
function kind(
  name: string,
  include: string[],
  options: { exclude?: string[]; serial?: boolean; timeoutMs?: number } = {},
) {
  return {
    test: {
      name,
      include,
      exclude: [...elsewhere, ...(options.exclude ?? [])],
      pool: 'forks' as const,
      fileParallelism: options.serial !== true,
      maxWorkers: options.serial === true ? 1 : 2,
      testTimeout: options.timeoutMs ?? 60_000,
      hookTimeout: options.timeoutMs ?? 60_000,
    },
  };
}

// Real outside programs stand beside rooms in files of these names; they are conformance, not unit tests.
const outside = ['**/clients.test.ts', '**/conformance/**/*.test.ts', 'tools/**/*.test.ts'];

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
        serial: true,
        timeoutMs: 600_000,
      }),
    ],
  },
});
