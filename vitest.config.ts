import { defineConfig } from 'vitest/config';

/** Unit, contract, property and tidy tests; `./pileus test` runs the slower kinds with configurations of their own. */
export default defineConfig({
  test: {
    include: ['**/*.test.ts'],
    exclude: ['node_modules/**', '.runtime/**', 'data/**', 'dashboard/**'],
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    passWithNoTests: false,
  },
});
