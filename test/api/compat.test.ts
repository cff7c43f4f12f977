/** What Consul's, Prometheus's and Traefik's clients read, against the shapes that these document. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startApi } from '@signalbox/api';
import { openSqliteEventLog } from '@signalbox/event-log';
import { createRegistry } from '@signalbox/kit';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { programTest } from '../harness/programs.ts';
import { ask, openApi } from './ask.ts';
import { aTarget, decided, putTargets, sayOfGroup, WEB } from './target-world.ts';
import { openWorld, quietLogger, type World } from './world.ts';

/** The fields and types of the answer that Consul's documentation of `/health/service/:service` shows. */
const CONSUL_INSTANCE = {
  Node: {
    ID: 'string',
    Node: 'string',
    Address: 'string',
    Datacenter: 'string',
    TaggedAddresses: 'object',
    Meta: 'object',
  },
  Service: {
    ID: 'string',
    Service: 'string',
    Tags: 'array',
    Address: 'string',
    TaggedAddresses: 'object',
    Meta: 'object',
    Port: 'number',
    Weights: { Passing: 'number', Warning: 'number' },
    Namespace: 'string',
  },
  Checks: [
    {
      Node: 'string',
      CheckID: 'string',
      Name: 'string',
      Status: 'string',
      Notes: 'string',
      Output: 'string',
      ServiceID: 'string',
      ServiceName: 'string',
      ServiceTags: 'array',
    },
  ],
};

/** Labels of Prometheus. */
const META = '__meta_signalbox_';
const ADDRESS_LABEL = '__address__';

let world: World;
let api: ReturnType<typeof openApi>;
beforeEach(async () => {
  world = await openWorld();
  api = openApi(world);
});
afterEach(async () => {
  api[Symbol.dispose]();
  await world[Symbol.asyncDispose]();
});

/** One target of each state; the second is unhealthy to its load balancer. */
async function fillLog(): Promise<number> {
  const targets = [
    aTarget('10.0.0.1', { node: 'node-1', zone: 'zone-a', pod: 'web-1' }),
    aTarget('10.0.0.2'),
    aTarget('10.0.0.3', { state: 'draining', reason: 'terminating' }),
    aTarget('10.0.0.4', { state: 'pending', reason: 'batching' }),
    aTarget('10.0.0.5', { state: 'gone', reason: 'removed' }),
  ];
  const index = await putTargets(world.log, WEB, targets);
  const dns = { port: 53, protocol: 'UDP', portName: 'dns', loadBalancerClass: 'other' } as const;
  await putTargets(world.log, { ...WEB, namespace: 'infra', name: 'dns' }, [aTarget('fd00::1', { port: 53 })], dns);
  const unhealthy = { address: '10.0.0.2', port: 8080, health: 'unhealthy', sinceMs: 1 } as const;
  await sayOfGroup(world.log, WEB, { targets: [unhealthy] });
  await decided(world.log, 1);
  await world.projector.processAll();
  return index;
}

test.for(['/compat/consul/v1/health/service/web', '/compat/prometheus/http-sd', '/compat/traefik/dynamic'])(
  '%s is an error before anything was decided, which clients take for "keep what you have"',
  async (path) => {
    expect((await ask(api, path)).status).toBe(503);
  },
);

describe('Consul', () => {
  interface Instance {
    readonly Service: { readonly Address: string; readonly Port: number };
    readonly Checks: readonly { readonly Status: string }[];
  }
  const health = (query: string) => ask<Instance[]>(api, `/compat/consul/v1/health/service/${query}`);
  const brief = (instances: readonly Instance[]) =>
    instances.map(({ Service, Checks }) => `${Service.Address}:${Service.Port} ${Checks[0]?.Status}`);

  test('an instance has the fields that are documented', async () => {
    await fillLog();
    const { body } = await health('web');
    for (const instance of body) expect(typesOf(instance, CONSUL_INSTANCE)).toEqual(CONSUL_INSTANCE);
  });

  test('tells what gets traffic, what drains and what is ill; with `passing` the first alone', async () => {
    await fillLog();
    expect(brief((await health('web')).body)).toEqual([
      '10.0.0.1:8080 passing',
      '10.0.0.2:8080 critical',
      '10.0.0.3:8080 warning',
    ]);
    for (const query of [
      'web?passing',
      'web?passing=true&dc=dc1&stale=&near=_agent',
      'web.shop?passing=1',
      'web.shop.c1?passing',
    ]) {
      expect(brief((await health(query)).body)).toEqual(['10.0.0.1:8080 passing']);
    }
    for (const query of ['web.other', 'web?ns=other', 'web.shop.c2', 'nothing', 'web?tag=grpc']) {
      expect((await health(query)).body).toEqual([]);
    }
  });

  test('lists services with their tags', async () => {
    await fillLog();
    const { body } = await ask(api, '/compat/consul/v1/catalog/services');
    expect(body).toEqual({ 'web.shop': ['c1', 'http', 'tcp'], 'dns.infra': ['c1', 'dns', 'udp'] });
  });

  test('blocks after an index that is never 0', async () => {
    await decided(world.log, 1);
    await world.projector.processAll();
    const empty = await health('web?index=0');
    expect([empty.body, empty.headers.get('x-consul-index')]).toEqual([[], '1']);
    const waiting = health('web?passing&index=1&wait=5m');
    await expect.poll(() => api.waiters()).toBe(1);
    const index = await putTargets(world.log, WEB, ['10.0.0.9']);
    const { body, headers } = await waiting;
    expect([brief(body), headers.get('x-consul-index')]).toEqual([['10.0.0.9:8080 passing'], String(index + 1)]);
  });
});

/** The types of a value, at the places of the shape. */
function typesOf(value: unknown, shape: unknown): unknown {
  if (typeof shape === 'string') return Array.isArray(value) ? 'array' : typeof value;
  if (Array.isArray(shape)) return (value as unknown[]).map((each) => typesOf(each, shape[0]));
  const fields = Object.entries(shape as Record<string, unknown>);
  return Object.fromEntries(
    fields.map(([name, part]) => [name, typesOf((value as Record<string, unknown>)[name], part)]),
  );
}

describe('Traefik', () => {
  test('is given a service for each group, in the sections of its protocol, and no empty section', async () => {
    await fillLog();
    const address = (...addresses: string[]) => ({
      loadBalancer: { servers: addresses.map((one) => ({ address: one })) },
    });
    expect((await ask(api, '/compat/traefik/dynamic')).body).toEqual({
      http: {
        services: {
          'c1-shop-web-80': {
            loadBalancer: { servers: [{ url: 'http://10.0.0.1:8080' }, { url: 'http://10.0.0.2:8080' }] },
          },
        },
      },
      tcp: { services: { 'c1-shop-web-80': address('10.0.0.1:8080', '10.0.0.2:8080') } },
      udp: { services: { 'c1-infra-dns-53-udp': address('[fd00::1]:53') } },
    });
    expect(Object.keys((await ask(api, '/compat/traefik/dynamic?class=other')).body)).toEqual(['udp']);
  });
});

describe('Prometheus', () => {
  interface Discovered {
    readonly targets: string[];
    readonly labels: Record<string, string>;
  }

  test('is given each target that is used, with its labels', async () => {
    await fillLog();
    const { body, headers } = await ask<Discovered[]>(api, '/compat/prometheus/http-sd?namespace=shop&portName=http');
    expect(headers.get('content-type')).toBe('application/json');
    expect(body.map(({ targets, labels }) => [...targets, labels[`${META}target_state`]])).toEqual([
      ['10.0.0.1:8080', 'active'],
      ['10.0.0.2:8080', 'active'],
      ['10.0.0.3:8080', 'draining'],
    ]);
    expect(body[0]?.labels).toMatchObject({ __meta_signalbox_pod: 'web-1', __meta_signalbox_zone: 'zone-a' });
    expect(Object.values(body[0]?.labels ?? {}).every((value) => typeof value === 'string')).toBe(true);
    expect((await ask(api, '/compat/prometheus/http-sd?clas=x')).status).toBe(400);
  });

  programTest(
    'prometheus',
    'discovers targets by http_sd, follows a change, and keeps its list when it may not ask',
    async () => {
      await using lab = await openPrometheusLab();
      await putTargets(lab.log, WEB, ['127.0.0.11', '127.0.0.12']);
      await decided(lab.log, 1);
      await lab.start();
      const addresses = () => lab.discovered();
      await expect.poll(addresses, { timeout: 30_000 }).toEqual(['127.0.0.11:8080', '127.0.0.12:8080']);
      await putTargets(lab.log, WEB, ['127.0.0.12', '127.0.0.13']);
      await expect.poll(addresses, { timeout: 30_000 }).toEqual(['127.0.0.12:8080', '127.0.0.13:8080']);
      await lab.stopApi();
      await expect.poll(() => lab.failures(), { timeout: 30_000 }).toBeGreaterThan(1);
      expect(await addresses()).toEqual(['127.0.0.12:8080', '127.0.0.13:8080']);
    },
  );
});

/** A real Prometheus that polls a real API every second, with a token. */
async function openPrometheusLab() {
  const folder = mkdtempSync(join(tmpdir(), 'signalbox-prometheus-'));
  const log = openSqliteEventLog({ path: ':memory:' });
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const running = await startApi(
    { log, logger: quietLogger, registry: createRegistry() },
    {
      storePath: ':memory:',
      listen: { address: '127.0.0.1', port: 0 },
      auth: 'token',
      adminTokenFile: join(folder, 'admin.token'),
    },
  );
  let stop = async (): Promise<void> => {};
  const get = async <Body>(path: string): Promise<Body> => (await (await fetch(`${url}${path}`)).json()) as Body;
  return {
    log,
    start: async () => {
      await running.processAll();
      const config = join(folder, 'prometheus.yml');
      writeFileSync(config, prometheusConfig(running.url, join(folder, 'admin.token')));
      const flags = [
        `--config.file=${config}`,
        `--storage.tsdb.path=${folder}/data`,
        `--web.listen-address=127.0.0.1:${port}`,
      ];
      const child = spawn('prometheus', flags, { stdio: 'ignore' });
      const ended = once(child, 'exit');
      stop = async () => {
        child.kill('SIGKILL');
        await ended;
      };
    },
    discovered: async (): Promise<string[]> => {
      try {
        const { data } = await get<{ data: { activeTargets: { discoveredLabels: Record<string, string> }[] } }>(
          '/api/v1/targets',
        );
        return data.activeTargets.map(({ discoveredLabels }) => discoveredLabels[ADDRESS_LABEL] ?? '').sort();
      } catch {
        return [];
      }
    },
    failures: async (): Promise<number> => {
      const text = await (await fetch(`${url}/metrics`)).text();
      return Number(/^prometheus_sd_http_failures_total (\d+)/m.exec(text)?.[1] ?? 0);
    },
    stopApi: () => running.stop(),
    [Symbol.asyncDispose]: async () => {
      await stop();
      await running.stop();
      await log.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function prometheusConfig(url: string, tokenFile: string): string {
  return `
global: { scrape_interval: 1m }
scrape_configs:
  - job_name: load-balanced
    http_sd_configs:
      - url: ${url}/compat/prometheus/http-sd?portName=http
        refresh_interval: 1s
        authorization: { type: Bearer, credentials_file: ${tokenFile} }
    relabel_configs:
      - source_labels: [__meta_signalbox_service]
        target_label: service
`;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  return typeof address === 'object' && address !== null ? address.port : 0;
}
