/** What a service says of settings that are wrong: which one it is, in one line, before it waits for anything. */
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ROOT, startProcess } from '../harness/signalbox.ts';

test.for([
  { service: 'api', args: ['--listen', 'here'], env: {}, named: "'--listen <address>' argument 'here'" },
  {
    service: 'proxy-worker',
    args: [],
    env: { SIGNALBOX_HEALTH_LISTEN: ':http' },
    named: "value ':http' from env 'SIGNALBOX_HEALTH_LISTEN'",
  },
  { service: 'api-watcher', args: ['--manifests', 'shop'], env: {}, named: '--manifests needs NAME=PATH' },
  { service: 'api-watcher', args: ['--in-cluster', 'a,b'], env: {}, named: 'a,b' },
  {
    service: 'dns-worker',
    args: ['--health-listen', ':0'],
    env: { OTEL_EXPORTER_OTLP_ENDPOINT: 'collector:4318' },
    named: 'OTEL_EXPORTER_OTLP_ENDPOINT',
  },
])('$service: $named', async ({ service, args, env, named }) => {
  const started = startProcess([join(ROOT, 'services', service, 'dist/main.js'), ...args], env);
  const { code, stdout, stderr } = await started.finished;
  const said = stdout + stderr;
  expect([code, said]).toEqual([2, expect.stringContaining(named)]);
  expect(said.trim().split('\n')).toHaveLength(1);
  expect(said).not.toMatch(/\bat .*\.js:\d/);
});
