/** deploy/kubernetes: every field is one that Kubernetes knows, every reference leads somewhere, nothing has a right too many. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import * as models from '@kubernetes/client-node';
import { describe, expect, test } from 'vitest';
import {
  type Labels,
  type Manifest,
  type PodSpec,
  parseAll,
  readKustomization,
  type Selector,
} from '../../../../test/harness/kustomization.ts';
import { ROOT } from '../../../../test/harness/signalbox.ts';

/** An overlay of somebody who also wants a token for metrics. */
const WITH_METRICS_TOKEN = 'test/fixtures/kustomize/metrics-token';
const OVERLAYS = ['plane', 'external-nats', 'nodes', 'write-back'];
const FOLDERS = [...OVERLAYS.map((name) => `deploy/kubernetes/overlays/${name}`), WITH_METRICS_TOKEN];
const PARTS = Object.fromEntries(FOLDERS.map((folder) => [folder, readKustomization(join(ROOT, folder))]));

describe.each(FOLDERS)('%s', (folder) => {
  const manifests = PARTS[folder] ?? [];
  const of = (kind: string): Manifest[] => manifests.filter((manifest) => manifest.kind === kind);
  const workloads = manifests.filter(({ spec }) => spec?.template !== undefined);
  const pods = workloads.flatMap(({ metadata: { name, namespace }, spec }) => {
    const { template } = spec ?? {};
    return template === undefined ? [] : [{ name, namespace, labels: template.metadata.labels, spec: template.spec }];
  });
  const podsOf = (namespace: string | undefined, { matchLabels = {} }: Selector = {}) =>
    pods.filter((pod) => pod.namespace === namespace && selects(matchLabels, pod.labels));

  test('has only fields that Kubernetes knows, of the type it wants', () => {
    expect(manifests.flatMap((manifest) => problemsOf(manifest))).toEqual([]);
  });

  test('names each object once, in a namespace that it makes', () => {
    const names = manifests.map(({ kind, metadata }) => `${kind} ${metadata.namespace ?? ''}/${metadata.name}`);
    expect(new Set(names).size).toBe(names.length);
    if (of('Namespace').length === 0) return;
    const namespaces = new Set(of('Namespace').map(({ metadata }) => metadata.name));
    for (const { metadata } of manifests) expect(namespaces).toContain(metadata.namespace ?? [...namespaces][0]);
  });

  test('refers to accounts, settings and roles that are there', () => {
    const has = (kind: string, namespace: string | undefined, name: string): boolean =>
      of(kind).some(({ metadata }) => metadata.name === name && metadata.namespace === namespace);
    for (const { name, namespace, spec } of pods) {
      expect([name, has('ServiceAccount', namespace, spec.serviceAccountName)]).toEqual([name, true]);
      const settings = configMapsOf(spec).map((map) => [map, has('ConfigMap', namespace, map)]);
      expect(settings).toEqual(settings.map(([map]) => [map, true]));
    }
    for (const binding of of('ClusterRoleBinding')) {
      expect(has('ClusterRole', undefined, binding.roleRef?.name ?? '')).toBe(true);
      for (const subject of binding.subjects ?? []) {
        expect(has('ServiceAccount', subject.namespace, subject.name)).toBe(true);
      }
    }
  });

  test('selects Pods that are there', () => {
    for (const { metadata, spec } of workloads) {
      const selected = podsOf(metadata.namespace, spec?.selector as Selector);
      expect(selected.map(({ name }) => name)).toEqual([metadata.name]);
    }
    for (const { metadata, spec } of of('NetworkPolicy')) {
      expect([metadata.name, podsOf(metadata.namespace, spec?.podSelector)]).not.toEqual([metadata.name, []]);
    }
  });

  test('leads Services to ports that their Pods have', () => {
    for (const { metadata, spec } of of('Service')) {
      const selected = podsOf(metadata.namespace, { matchLabels: spec?.selector as Labels });
      expect([metadata.name, selected.length]).toEqual([metadata.name, 1]);
      for (const { targetPort } of spec?.ports ?? []) expect(portNames(selected[0]?.spec)).toContain(targetPort);
    }
  });

  test('lets in at ports that Pods have', () => {
    for (const { metadata, spec } of of('NetworkPolicy')) {
      const ports = (spec?.ingress ?? []).flatMap((rule) => rule.ports ?? []).map(({ port }) => port);
      const names = podsOf(metadata.namespace, spec?.podSelector).map((pod) => portNames(pod.spec));
      for (const port of ports) expect(names.every((known) => known.includes(port))).toBe(true);
    }
  });

  test('keeps one Pod of each Deployment and StatefulSet through a drain', () => {
    const budgets = of('PodDisruptionBudget').flatMap(({ metadata, spec }) =>
      podsOf(metadata.namespace, spec?.selector as Selector),
    );
    const wanted = workloads.filter(({ kind }) => kind !== 'DaemonSet').map(({ metadata }) => metadata.name);
    expect(budgets.map(({ name }) => name).sort()).toEqual(wanted.sort());
    for (const { metadata, spec } of of('PodDisruptionBudget')) {
      const policy = metadata.name === 'nats' ? undefined : 'AlwaysAllow';
      expect([metadata.name, spec?.unhealthyPodEvictionPolicy]).toEqual([metadata.name, policy]);
    }
  });

  test('denies in every restricted namespace what no policy allows', () => {
    const restricted = of('Namespace').filter(({ metadata }) => metadata.labels?.[ENFORCE] === 'restricted');
    for (const { metadata } of restricted) {
      const policies = of('NetworkPolicy').filter((policy) => policy.metadata.namespace === metadata.name);
      expect(policies.map(({ spec }) => spec)).toContainEqual({ podSelector: {}, policyTypes: ['Ingress', 'Egress'] });
    }
  });

  test("gives no Pod a right but the node agent's", () => {
    for (const { name, spec } of pods) {
      const isAgent = name === 'node-agent';
      expect([name, spec.securityContext.seccompProfile]).toEqual([name, { type: 'RuntimeDefault' }]);
      expect([name, spec.automountServiceAccountToken]).toEqual([name, TOKEN_HOLDERS.includes(name)]);
      expect([name, spec.hostNetwork, spec.hostPID]).toEqual([
        name,
        ...(isAgent ? [true, true] : [undefined, undefined]),
      ]);
      if (!isAgent) expect(spec.securityContext).toMatchObject({ runAsNonRoot: true, runAsUser: 1000 });
      for (const { securityContext } of spec.containers) {
        expect(securityContext).toMatchObject({ allowPrivilegeEscalation: false, readOnlyRootFilesystem: true });
        const add = isAgent ? { add: ['NET_ADMIN', 'NET_RAW'] } : {};
        expect([name, securityContext.capabilities]).toEqual([name, { drop: ['ALL'], ...add }]);
      }
    }
  });

  test('gives every Pod the Secret of its own login, and no other', () => {
    for (const { name, spec } of pods) {
      const own = name === 'nats' ? 'nats-passwords' : `nats-login-${name}`;
      const shared = folder === WITH_METRICS_TOKEN ? ['metrics-token'] : [];
      expect([name, ...new Set(secretsOf(spec))]).toEqual([name, own, ...shared]);
    }
  });

  test('lets the user of each Pod read its login, and nobody else', () => {
    for (const { name, spec } of pods.filter((pod) => pod.name !== 'nats')) {
      const [volume] = (spec.volumes ?? []).filter(({ secret }) => secret !== undefined);
      // Files of a Secret are root's; those of a Pod with fsGroup also that group's.
      const isRoot = name === 'node-agent';
      expect([name, volume?.secret?.defaultMode]).toEqual([name, isRoot ? 0o400 : 0o440]);
      expect([name, spec.securityContext.fsGroup]).toEqual([name, isRoot ? undefined : 1000]);
      const mounts = spec.containers.flatMap(({ volumeMounts = [] }) => volumeMounts);
      expect(mounts).toContainEqual({ name: volume?.name, mountPath: '/etc/signalbox/nats', readOnly: true });
    }
  });

  test('gives every container probes and limits', () => {
    for (const { spec } of pods) {
      for (const { startupProbe, livenessProbe, readinessProbe, resources } of spec.containers) {
        for (const { httpGet } of [startupProbe, livenessProbe, readinessProbe]) {
          expect(portNames(spec)).toContain(httpGet.port);
        }
        expect(resources).toMatchObject({
          requests: { cpu: expect.anything() },
          limits: { memory: expect.anything() },
        });
      }
    }
  });
});

test('services are started with flags and variables that they have', { timeout: 60_000 }, () => {
  const manifests = PARTS[WITH_METRICS_TOKEN] ?? [];
  const containers = manifests.flatMap(({ spec }) => spec?.template?.spec.containers ?? []);
  expect(containers).toHaveLength(7);
  for (const { args, env = [], envFrom = [] } of containers) {
    const settings = manifests.filter(({ metadata }) =>
      envFrom.some((from) => from.configMapRef?.name === metadata.name),
    );
    const variables = [...env.map(({ name }) => name), ...settings.flatMap(({ data = {} }) => Object.keys(data))];
    const [entry = '', ...flags] = args;
    const { stdout } = spawnSync(process.execPath, [join(ROOT, entry), '--help'], { encoding: 'utf8' });
    for (const flag of flags) expect(stdout).toMatch(new RegExp(`^ {2}${flag.replace(/=.*/, '')}\\b`, 'm'));
    const help = stdout.replaceAll(/\s+/g, ' ');
    for (const variable of variables) expect(help).toMatch(new RegExp(`env: ${variable}\\b`));
  }
});

test('the watcher may read what it watches, the status writer patch two statuses, and nobody anything else', () => {
  const roles = (PARTS['deploy/kubernetes/overlays/write-back'] ?? []).filter(({ kind }) => kind.endsWith('Role'));
  expect(roles.map(({ metadata, rules }) => [metadata.name, rules])).toEqual([
    [
      'signalbox-api-watcher',
      [
        { apiGroups: [''], resources: ['services', 'nodes', 'namespaces'], verbs: ['list', 'watch'] },
        { apiGroups: ['discovery.k8s.io'], resources: ['endpointslices'], verbs: ['list', 'watch'] },
      ],
    ],
    ['signalbox-status-writer', [{ apiGroups: [''], resources: ['services/status', 'pods/status'], verbs: ['patch'] }]],
  ]);
});

/** A second opinion on our own reader, where kubectl is: too large a package for tests to install. */
test.skipIf(spawnSync('kubectl', ['kustomize', '--help']).status !== 0)(
  'kubectl kustomize says the same (needs kubectl)',
  () => {
    for (const folder of FOLDERS) {
      const { stdout } = spawnSync('kubectl', ['kustomize', join(ROOT, folder)], { encoding: 'utf8' });
      const ours = PARTS[folder] ?? [];
      const theirs = parseAll(stdout.replaceAll(HASH_SUFFIX, ''));
      expect(theirs).toHaveLength(ours.length);
      expect(theirs).toEqual(expect.arrayContaining(ours));
    }
  },
);

describe('what is wrong in a manifest is told', () => {
  const account = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'a' } };
  test.for([
    {
      name: 'an unknown field',
      wrong: { ...account, metadata: { name: 'a', lables: {} } },
      problem: 'ServiceAccount.metadata.lables is unknown',
    },
    {
      name: 'a wrong type',
      wrong: { ...account, automountServiceAccountToken: 'no' },
      problem: 'ServiceAccount.automountServiceAccountToken is no boolean',
    },
    { name: 'an unknown kind', wrong: { ...account, kind: 'Servant' }, problem: 'Servant is unknown in v1' },
  ])('$name', ({ wrong, problem }) => {
    expect(problemsOf(wrong)).toEqual([problem]);
  });
});

/** What kustomize puts behind the name of a ConfigMap that it makes. */
const HASH_SUFFIX = /(?<=^ *name: nats)-[2-9bcdfghkmt]{10}$/gm;
/** The only ones that talk to API servers. */
const TOKEN_HOLDERS = ['api-watcher', 'status-writer'];
const ENFORCE = 'pod-security.kubernetes.io/enforce';

interface Model {
  getAttributeTypeMap(): readonly { readonly baseName: string; readonly type: string }[];
}

/** What the client's models of the Kubernetes API do not know. They hold no required fields and no ranges. */
function problemsOf(manifest: Manifest): string[] {
  const [version = '', group] = manifest.apiVersion.split('/').reverse();
  const name = `${version.charAt(0).toUpperCase()}${version.slice(1)}${manifest.kind}`;
  if (modelOf(name) === undefined)
    return [`${manifest.kind} is unknown in ${group === undefined ? '' : `${group}/`}${version}`];
  return problemsOfValue(manifest, name, manifest.kind);
}

function modelOf(name: string): Model | undefined {
  const found = (models as Record<string, unknown>)[name];
  return typeof found === 'function' && 'getAttributeTypeMap' in found ? (found as unknown as Model) : undefined;
}

function problemsOfValue(value: unknown, type: string, path: string): string[] {
  const [, item] = /^Array<(.*)>$/.exec(type) ?? [];
  if (item !== undefined) {
    if (!Array.isArray(value)) return [`${path} is no list`];
    return value.flatMap((one, index) => problemsOfValue(one, item, `${path}[${index}]`));
  }
  const [, entry] = /^\{ \[key: string\]: (.*); \}$/.exec(type) ?? [];
  const model = modelOf(type);
  if (entry === undefined && model === undefined) return isOfType(value, type) ? [] : [`${path} is no ${type}`];
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return [`${path} is no object`];
  return Object.entries(value).flatMap(([name, one]) => {
    const known = entry ?? model?.getAttributeTypeMap().find(({ baseName }) => baseName === name)?.type;
    return known === undefined ? [`${path}.${name} is unknown`] : problemsOfValue(one, known, `${path}.${name}`);
  });
}

function isOfType(value: unknown, type: string): boolean {
  if (type === 'any') return true;
  return type === 'IntOrString' ? ['number', 'string'].includes(typeof value) : typeof value === type;
}

function selects(selector: Readonly<Record<string, string>>, labels: Readonly<Record<string, string>>): boolean {
  return Object.entries(selector).every(([name, value]) => labels[name] === value);
}

function portNames(spec: PodSpec | undefined): string[] {
  return (spec?.containers ?? []).flatMap(({ ports = [] }) => ports.map(({ name }) => name));
}

function configMapsOf({ containers, volumes = [] }: PodSpec): string[] {
  const settings = containers.flatMap(({ envFrom = [] }) =>
    envFrom.flatMap(({ configMapRef }) => configMapRef?.name ?? []),
  );
  return [...settings, ...volumes.flatMap(({ configMap }) => (configMap === undefined ? [] : [configMap.name]))];
}

function secretsOf({ containers, volumes = [] }: PodSpec): string[] {
  const fromVariables = containers.flatMap(({ env = [], envFrom = [] }) => [
    ...envFrom.flatMap(({ secretRef }) => secretRef?.name ?? []),
    ...env.flatMap(({ valueFrom }) => valueFrom?.secretKeyRef?.name ?? []),
  ]);
  return [...fromVariables, ...volumes.flatMap(({ secret }) => secret?.secretName ?? [])];
}
