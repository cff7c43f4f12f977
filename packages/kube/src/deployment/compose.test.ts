/** docker-compose.yml as `npm test` can see it without an engine; `npm run test:compose` runs it. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { ROOT } from '../../../../test/harness/signalbox.ts';

interface Service {
  readonly profiles?: readonly string[];
  readonly command?: string | readonly string[];
  readonly privileged?: boolean;
  readonly ports?: readonly string[];
  readonly volumes?: readonly string[];
  readonly depends_on?: Readonly<Record<string, unknown>>;
  readonly networks?: readonly string[] | Readonly<Record<string, unknown>>;
  readonly network_mode?: string;
  readonly environment?: Readonly<Record<string, unknown>>;
}

interface Compose {
  readonly services: Readonly<Record<string, Service>>;
  readonly volumes: Readonly<Record<string, unknown>>;
  readonly networks: Readonly<Record<string, unknown>>;
}

const COMPOSE = parse(readFileSync(join(ROOT, 'docker-compose.yml'), 'utf8'), {
  merge: true,
  maxAliasCount: -1,
}) as Compose;
const SERVICES = Object.entries(COMPOSE.services);

const inProfile = (profile: string): string[] =>
  SERVICES.filter(([, { profiles }]) => profiles?.includes(profile) ?? true).map(([name]) => name);

describe.each(SERVICES)('%s', (name, service) => {
  test('has no right that it does not need, and limits', () => {
    // k3s runs containers of its own: it cannot do with less.
    if (name === 'k3s') return expect(service.profiles).toEqual(['k3s']);
    expect(service).toMatchObject({
      read_only: true,
      cap_drop: ['ALL'],
      security_opt: ['no-new-privileges:true'],
      mem_limit: expect.any(String),
      cpus: expect.any(Number),
      pids_limit: expect.any(Number),
    });
    return expect(service.privileged).toBeUndefined();
  });

  test('is reached from this machine only', () => {
    expect((service.ports ?? []).filter((port) => !port.startsWith('127.0.0.1:'))).toEqual([]);
  });

  test('depends on, mounts and joins what is there, in each of its profiles', () => {
    for (const profile of service.profiles ?? []) {
      expect(inProfile(profile)).toEqual(expect.arrayContaining(Object.keys(service.depends_on ?? {})));
    }
    const networks = Array.isArray(service.networks) ? service.networks : Object.keys(service.networks ?? {});
    for (const network of networks) expect(COMPOSE.networks).toHaveProperty(network);
    for (const volume of service.volumes ?? []) {
      const [source = ''] = volume.replace(/\$\{\w+:-([^}]*)\}/, '$1').split(':');
      expect([source, source.startsWith('.') ? existsSync(join(ROOT, source)) : source in COMPOSE.volumes]).toEqual([
        source,
        true,
      ]);
    }
  });

  test('runs what there is', () => {
    const words = typeof service.command === 'string' ? service.command.split(' ') : (service.command ?? []);
    const [entry = ''] = words;
    if (entry.startsWith('services/'))
      expect(existsSync(join(ROOT, entry.replace('dist/main.js', 'src/main.ts')))).toBe(true);
  });
});

test('the two sets of services do the same, on one server or three', () => {
  const only = (profile: string): string[] =>
    inProfile(profile).filter((name) => COMPOSE.services[name]?.profiles !== undefined && !name.startsWith('nats'));
  expect(only('cluster').sort()).toEqual(
    only('single')
      .map((name) => `cluster-${name}`)
      .sort(),
  );
  for (const name of only('cluster')) {
    expect([name, COMPOSE.services[name]?.environment]).toMatchObject([name, { SIGNALBOX_NATS_REPLICAS: 3 }]);
    const { command, volumes } = COMPOSE.services[name.replace('cluster-', '')] ?? {};
    expect(COMPOSE.services[name]).toMatchObject({ command, ...(volumes && { volumes }) });
  }
});
