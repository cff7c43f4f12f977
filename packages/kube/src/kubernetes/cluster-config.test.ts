import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { loadClusterConfig } from './cluster-config.ts';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'signalbox-'));
});

afterEach(() => {
  rmSync(folder, { recursive: true });
  vi.unstubAllEnvs();
});

function write(text: string, name = 'config'): string {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
}

const GOOD = `
clusters: [{ name: one, cluster: { server: "https://one.example:6443" } }, { name: odd, cluster: { server: nowhere } }]
users: [{ name: ada, user: { token: secret } }]
contexts:
  - { name: kind-a, context: { cluster: one, user: ada } }
  - { name: no-cluster, context: { cluster: two, user: ada } }
  - { name: no-user, context: { cluster: one, user: bob } }
  - { name: odd, context: { cluster: odd, user: ada } }
current-context: kind-a
`;

test('the current context, or the named one', () => {
  const kubeconfig = write(GOOD);
  const { config, description } = loadClusterConfig({ kubeconfig });
  expect(config.getCurrentCluster()).toMatchObject({ server: 'https://one.example:6443' });
  expect(description).toBe(`context kind-a of ${kubeconfig}`);
  expect(loadClusterConfig({ kubeconfig, context: 'kind-a' }).description).toBe(description);
});

test('what is wrong in the text is told without the lines around it: they may hold a token', () => {
  const kubeconfig = write('users:\n- name: ada\n  user:\n    token: s3cr3t\n   bad: [\n');
  const load = (): unknown => loadClusterConfig({ kubeconfig });
  expect(load).toThrow(`kubeconfig ${kubeconfig} cannot be used: bad indentation of a mapping entry (5:4)`);
  expect(inspect(errorOf(load))).not.toContain('s3cr3t');
});

describe('what is wrong, with the file and what there is', () => {
  test.for([
    {
      name: 'no such context',
      text: GOOD,
      context: 'kind-b',
      message: 'has no context kind-b: it has kind-a, no-cluster, no-user, odd',
    },
    {
      name: 'no current context',
      text: GOOD.replace('current-context: kind-a', ''),
      message: 'has no current-context; name one: it has kind-a',
    },
    { name: 'no contexts', text: 'kind: Config', context: 'a', message: 'has no context a: it has no contexts' },
    {
      name: 'no such cluster',
      text: GOOD,
      context: 'no-cluster',
      message: 'context no-cluster: cluster two does not exist',
    },
    { name: 'no such user', text: GOOD, context: 'no-user', message: 'context no-user: user bob does not exist' },
    { name: 'no URL', text: GOOD, context: 'odd', message: 'context odd: nowhere is not a URL' },
    { name: 'broken YAML', text: 'clusters: [', message: 'cannot be used' },
    { name: 'an empty file', text: '', message: 'cannot be used' },
    { name: 'an entry without a name', text: 'clusters: [{}]', message: 'cannot be used: clusters[0].name is missing' },
  ])('$name', ({ text, context, message }) => {
    const kubeconfig = write(text);
    const load = () => loadClusterConfig({ kubeconfig, context });
    expect(load).toThrow(expect.objectContaining({ code: 'invalid', message: expect.stringContaining(message) }));
    expect(load).toThrow(kubeconfig);
  });

  test('no such file', () => {
    const kubeconfig = join(folder, 'absent');
    expect(() => loadClusterConfig({ kubeconfig })).toThrow(`kubeconfig ${kubeconfig} cannot be used: ENOENT`);
  });
});

describe('without a file', () => {
  test('KUBECONFIG, several files of which the first names the context', () => {
    const other = write(
      GOOD.replaceAll('ada', 'eve')
        .replaceAll('one', 'uno')
        .replaceAll('kind-a', 'kind-z')
        .replace(/.*(odd|no-).*\n/g, ''),
      'other',
    );
    const first = write(GOOD);
    vi.stubEnv('KUBECONFIG', `${first}:${other}`);
    expect(loadClusterConfig({}).description).toBe(`context kind-a of ${first}:${other}`);
  });

  test('~/.kube/config, and that it is missing', () => {
    vi.stubEnv('KUBECONFIG', '');
    vi.stubEnv('HOME', folder);
    expect(() => loadClusterConfig({})).toThrow(`${folder}/.kube/config does not exist`);
  });
});

describe('in a Pod', () => {
  test('outside of one it says so', () => {
    vi.stubEnv('KUBERNETES_SERVICE_HOST', '');
    expect(() => loadClusterConfig({ inCluster: true })).toThrow('which only a Pod has');
  });

  test('the address comes from the environment, IPv6 too', () => {
    vi.stubEnv('KUBERNETES_SERVICE_HOST', 'fd00::1');
    vi.stubEnv('KUBERNETES_SERVICE_PORT', '443');
    expect(loadClusterConfig({ inCluster: true }).config.getCurrentCluster()?.server).toBe('https://[fd00::1]:443');
  });
});

function errorOf(work: () => unknown): unknown {
  try {
    return work();
  } catch (error) {
    return error;
  }
}
