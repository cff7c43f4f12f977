/** Import boundaries of the architecture (ARCHITECTURE.md). Checked by `npm run check`. */
const onlyFrom = (name, target, allowed) => ({
  name,
  severity: 'error',
  from: { path: '^(packages|services|migrations)/', pathNot: [...allowed, '\\.test\\.ts$'] },
  to: { path: target },
});

const pure = '^packages/(rules|zones|registrations)/src';

module.exports = {
  forbidden: [
    { name: 'no-circular', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'contracts-import-zod-only',
      severity: 'error',
      from: { path: '^packages/contracts/src', pathNot: '\\.test\\.ts$' },
      to: { pathNot: ['^packages/contracts/src', 'node_modules/zod/'] },
    },
    {
      name: 'pure-packages-import-no-io',
      severity: 'error',
      from: { path: pure, pathNot: '\\.test\\.ts$' },
      to: {
        pathNot: ['^packages/(rules|zones|registrations|contracts)/', 'node_modules/ipaddr\\.js/', '^(node:)?crypto$'],
      },
    },
    {
      name: 'pure-packages-do-not-import-each-other',
      severity: 'error',
      from: { path: '^packages/(rules|zones|registrations)/src' },
      to: { path: pure, pathNot: '^packages/$1/src' },
    },
    onlyFrom('only-event-log-imports-nats', 'node_modules/@nats-io/', ['^packages/event-log/']),
    onlyFrom('only-store-and-event-log-import-sqlite', 'node_modules/better-sqlite3/', [
      '^packages/(event-log|store)/',
    ]),
    onlyFrom('only-kube-imports-the-kubernetes-client', 'node_modules/@kubernetes/', ['^packages/kube/']),
    {
      name: 'services-never-import-each-other',
      severity: 'error',
      from: { path: '^services/([^/]+)/' },
      to: { path: '^services/', pathNot: '^services/$1/' },
    },
    {
      name: 'packages-do-not-import-services',
      severity: 'error',
      from: { path: '^packages/', pathNot: '^packages/cli/' },
      to: { path: '^services/' },
    },
    {
      name: 'no-test-code-in-the-product',
      severity: 'error',
      from: { path: '^(packages|services|migrations)/', pathNot: '\\.test\\.ts$' },
      to: { path: '^test/|\\.test\\.ts$' },
    },
  ],
  options: {
    doNotFollow: { path: ['node_modules', 'dist'] },
    exclude: { path: ['/dist/'] },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.base.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['signalbox-source', 'import', 'node', 'default', 'types'],
    },
  },
};
