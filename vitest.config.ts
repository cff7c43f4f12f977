import { defineConfig } from 'vitest/config';

/** Workspace packages are tested from their sources, so that no build stands between an edit and its test. */
const conditions = ['signalbox-source', 'node', 'import', 'default'];

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    // Many tests wait for programs and timers: with one core left free, as by default, two cores would run one file at a time.
    maxWorkers: '100%',
    // For what never comes; how long it takes to come decides nothing.
    expect: { poll: { timeout: 20_000 } },
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          // How long a test takes decides nothing: this is for what hangs.
          testTimeout: 30_000,
          include: [
            'packages/*/src/**/*.test.ts',
            'services/*/src/**/*.test.ts',
            'scripts/**/*.test.ts',
            'migrations/**/*.test.ts',
          ],
        },
      },
      {
        extends: true,
        test: { name: 'integration', include: ['test/**/*.test.ts'], testTimeout: 60_000, hookTimeout: 60_000 },
      },
    ],
  },
});
