/** Names to ask about a cluster: of every kind, of other objects' too, and such as nothing has. */
import type { RecordSet } from '@signalbox/contracts';
import { podLabel } from '@signalbox/zones';
import type { ClusterObjects } from './core-dns.ts';

const ZONES = ['cluster.local.', 'in-addr.arpa.', 'ip6.arpa.'];

export function askedNames(objects: ClusterObjects, recordSets: readonly RecordSet[]): string[] {
  const endpoints = objects.slices.flatMap((slice) => slice.endpoints.slice(0, 3));
  const dashed = endpoints.flatMap(({ addresses }) => addresses.map((text) => text.replaceAll(/[.:]/g, '-')));
  const hosts = [...new Set([...dashed, ...endpoints.flatMap(({ hostname }) => hostname ?? [])])];
  const ports = ['http', 'https', 'alt', 'dns', 'dns-tcp', 'mysql', 'absent'];
  const portLabels = ports.flatMap((port) => [`_${port}._tcp`, `_${port}._udp`]);
  const below = [...hosts, ...portLabels, '_tcp', '*', 'a.b', 'http.tcp', '_http._tcp.10-244-1-11'];
  const services = [...objects.services.map(({ metadata }) => `${metadata.name}.${metadata.namespace}`), 'absent.shop'];
  const namespaces = [...objects.namespaces, 'absent'];
  const forward = [
    ...services.flatMap((service) => [`${service}.svc`, `${service}.pod`, service]),
    ...services.flatMap((service) => below.map((label) => `${label}.${service}.svc`)),
    ...namespaces.flatMap((namespace) => [`${namespace}.svc`, `${namespace}.pod`, `x.${namespace}.pod`]),
    ...namespaces.flatMap((namespace) =>
      hosts.flatMap((host) => [`${host}.${namespace}.pod`, `x.${host}.${namespace}.pod`]),
    ),
    'svc',
    'pod',
    'dns',
    'ns.dns',
    'dns-version',
    'x.dns-version',
    'absent',
  ];
  const pointers = recordSets.flatMap(({ records }) =>
    records.filter(({ type }) => type === 'PTR').map(({ name }) => name),
  );
  const reverse = [...pointers, ...pointers.map(parentOf), '99.99.96.10.in-addr.arpa.', 'ns.dns.ip6.arpa.'];
  return [...new Set([...ZONES, ...forward.map((name) => `${name}.cluster.local.`), ...reverse])];
}

/** With records, or with names below them that have some, or a namespace's; not from the index, but from what it is fed. */
export function existingNames(objects: ClusterObjects, recordSets: readonly RecordSet[]): ReadonlySet<string> {
  const owners = recordSets.flatMap(({ records }) => records.map(({ name }) => name));
  const pods = objects.pods.flatMap((pod) => {
    const label = podLabel(pod);
    return label === undefined ? [] : [`${label}.${pod.metadata.namespace}.pod.cluster.local.`];
  });
  const namespaces = objects.namespaces.flatMap((name) => [`${name}.svc.cluster.local.`, `${name}.pod.cluster.local.`]);
  const names = new Set<string>();
  for (const owner of [
    ...owners,
    ...pods,
    ...namespaces,
    ...ZONES.map((zone) => `ns.dns.${zone}`),
    'dns-version.cluster.local.',
  ]) {
    for (let name = owner; name !== ''; name = parentOf(name)) names.add(name);
  }
  return names;
}

function parentOf(name: string): string {
  return name.slice(name.indexOf('.') + 1);
}
