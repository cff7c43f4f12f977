/** Alerts and dashboard ask for metrics that exist, and every alert has a runbook. */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { programTest } from '../harness/programs.ts';
import { ROOT, temporaryFolder } from '../harness/signalbox.ts';

const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');
const RULES = read('deploy/prometheus/signalbox.rules.yml');
const RULES_TEST = read('deploy/prometheus/signalbox.rules.test.yml');
const DASHBOARD = read('deploy/grafana/signalbox.json');
const RUNBOOKS = read('docs/runbooks.md');
const ALERTS = [...RULES.matchAll(/- alert: (\w+)/g)].map((match) => match[1] ?? '');

/** Those that a page lists; another test holds these lists to the code. */
const listedIn = (page: string) => [...read(page).matchAll(/^\| `([a-z_]+)`/gm)].map((match) => match[1] ?? '');
const SERVICES = readdirSync(join(ROOT, 'services')).map((service) => `services/${service}/README.md`);
const KNOWN = new Set([...SERVICES, 'docs/nats.md'].flatMap(listedIn));

function metricsIn(text: string): string[] {
  const names = text.match(/\b(?:signalbox|kubeproxy|coredns)_[a-z_]+\b/g) ?? [];
  return [...new Set(names.map((name) => name.replace(/_(bucket|count|sum)$/, '')))];
}

describe.each([
  ['rules', RULES],
  ['tests of rules', RULES_TEST],
  ['dashboard', DASHBOARD],
])('the %s', (_name, text) => {
  test('name only metrics that services have', () => {
    expect(metricsIn(text).length).toBeGreaterThan(2);
    expect(metricsIn(text).filter((name) => !KNOWN.has(name))).toEqual([]);
  });
});

test('each alert has a runbook of its name, and each runbook an alert', () => {
  expect(ALERTS.length).toBeGreaterThan(10);
  expect([...RUNBOOKS.matchAll(/^## (\w+)$/gm)].map((match) => match[1])).toEqual(ALERTS);
  expect([...RULES.matchAll(/runbook: (\S+)/g)].map((match) => match[1])).toEqual(
    ALERTS.map((name) => `docs/runbooks.md#${name.toLowerCase()}`),
  );
});

test('each alert fires in a test of the rules', () => {
  const fired = [...RULES_TEST.matchAll(/alertname: (\w+)(?:(?!alertname:).)*?exp_labels:/gs)].map((match) => match[1]);
  expect(ALERTS.filter((name) => !fired.includes(name))).toEqual([]);
});

test('the dashboard has panels with queries, each once, on the data source that is chosen', () => {
  interface Panel {
    readonly id: number;
    readonly title: string;
    readonly datasource: { readonly uid: string };
    readonly targets: readonly { readonly expr: string }[];
  }
  const { panels } = JSON.parse(DASHBOARD) as { panels: Panel[] };
  expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
  expect(new Set(panels.map(({ title }) => title)).size).toBe(panels.length);
  for (const { title, datasource, targets } of panels) {
    expect([title, datasource.uid, targets.length > 0]).toEqual([title, `\${datasource}`, true]);
  }
});

programTest('promtool', 'takes the rules, and they alert when they should', async () => {
  for (const args of [
    ['check', 'rules', 'signalbox.rules.yml'],
    ['test', 'rules', 'signalbox.rules.test.yml'],
  ]) {
    const result = spawnSync('promtool', args, { cwd: join(ROOT, 'deploy/prometheus'), encoding: 'utf8' });
    expect([result.status, result.stdout, result.stderr]).toEqual([0, expect.stringContaining('SUCCESS'), '']);
  }
});

/** Queries of the dashboard are checked as rules: the same language, without Grafana's variables. */
programTest('promtool', 'understands what the dashboard asks', async () => {
  const { panels } = JSON.parse(DASHBOARD) as { panels: { targets: { expr: string }[] }[] };
  const queries = panels.flatMap(({ targets }) => targets.map(({ expr }) => expr.replaceAll('$__rate_interval', '5m')));
  const rules = queries.map((expr, index) => ({ record: `query:${index}`, expr }));
  const folder = await temporaryFolder();
  const file = join(folder.path, 'dashboard.yml');
  await writeFile(file, JSON.stringify({ groups: [{ name: 'dashboard', rules }] }));
  const result = spawnSync('promtool', ['check', 'rules', file], { encoding: 'utf8' });
  await folder.remove();
  expect([result.stdout, result.stderr]).toEqual([expect.stringContaining(`${queries.length} rules found`), '']);
});
