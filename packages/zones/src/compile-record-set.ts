/**
 * Service view → the DNS records of that Service. Pure. Kubernetes DNS specification 1.1.0, and beyond it what CoreDNS
 * 1.13 answers, because clients have come to rely on that:
 *
 *   Service      │ SERVICE.NS.svc.DOMAIN        │ _PORT._PROTO.…         │ HOST.SERVICE.NS.svc.DOMAIN │ PTR of
 *   ─────────────┼──────────────────────────────┼────────────────────────┼────────────────────────────┼──────────────────
 *   ClusterIP    │ A, AAAA of cluster IPs       │ SRV → the service      │ A, AAAA of the endpoint    │ cluster IPs and
 *                │ SRV of every port            │                        │ SRV of its ports (neither  │ endpoints
 *                │                              │                        │ is in the specification)   │
 *   headless     │ A, AAAA of endpoints         │ SRV → each endpoint    │ A, AAAA of the endpoint    │ endpoints
 *                │ SRV of every endpoint port   │                        │ SRV of its ports           │
 *   ExternalName │ CNAME                        │                        │                            │
 *
 * Its public names, in zones made by intents, are added by compile-public-names.ts.
 *
 * HOST is the endpoint's hostname, else its address with dashes. Weights share 100 evenly over addresses × ports, as often as
 * slices list them.
 * Equal views give equal documents, whatever the order of slices. A Service without any record has no document.
 */
import type { Derivation, RecordSet, ServiceKind, ServiceView, Skipped } from '@signalbox/contracts';
import { type Address, parseAddress, reverseName } from './addresses.ts';
import { add, type Compilation } from './compilation.ts';
import { collectEndpoints } from './endpoints.ts';
import { compilePublicNames, serviceTtlSeconds } from './intents/compile-public-names.ts';
import { isHostLabel, isName, parseHostName } from './names.ts';
import { mergeRecords } from './records.ts';

export function compileRecordSet(view: ServiceView, options: { ttlSeconds: number }): Derivation<RecordSet> {
  const { name, namespace } = view.service.metadata;
  const domain = parseHostName(view.cluster.domain);
  const serviceName = `${name}.${namespace}.svc.${domain}`;
  if (domain === undefined || !isName(serviceName)) {
    const reason = `${JSON.stringify(`${name}.${namespace}.svc.${view.cluster.domain}`)} is not a domain name`;
    return { document: undefined, skipped: [{ path: 'metadata.name', reason }] };
  }
  const skipped: Skipped[] = [];
  const ownTtl = serviceTtlSeconds(view.service, skipped);
  const compilation = { view, ...options, serviceTtlSeconds: ownTtl, serviceName, records: [], skipped };
  if (view.service.spec.type === 'ExternalName') compileExternalName(compilation);
  else compileAddresses(compilation);
  compilePublicNames(compilation);
  return derivationOf(compilation);
}

function derivationOf({ view, records, skipped }: Compilation): Derivation<RecordSet> {
  const { name, namespace } = view.service.metadata;
  const serviceKind = serviceKindOf(view.service);
  const key = { cluster: view.cluster.name, namespace, name };
  const document = { ...key, records: mergeRecords(records), ...(serviceKind && { serviceKind }) };
  return { document: records.length === 0 ? undefined : document, skipped };
}

function serviceKindOf({ spec }: ServiceView['service']): ServiceKind | undefined {
  if (spec.type === 'ExternalName') return undefined;
  if (spec.clusterIPs[0] !== 'None') return 'cluster_ip';
  return Object.keys(spec.selector ?? {}).length > 0 ? 'headless_with_selector' : 'headless_without_selector';
}

function compileExternalName(compilation: Compilation): void {
  const { view, serviceName, skipped } = compilation;
  const text = view.service.spec.externalName ?? '';
  const target = parseHostName(text);
  if (target !== undefined && target !== serviceName) add(compilation, { name: serviceName, type: 'CNAME', target });
  else skipped.push({ path: 'spec.externalName', reason: externalNameProblem(text, target) });
}

function externalNameProblem(text: string, target: string | undefined): string {
  if (target !== undefined) return 'an alias of itself';
  if (parseAddress(text) !== undefined) return `${text} is an address; an alias needs a host name`;
  return `${JSON.stringify(text)} is not a host name`;
}

function compileAddresses(compilation: Compilation): void {
  const endpoints = collectEndpoints(compilation);
  for (const endpoint of endpoints) {
    addAddress(compilation, endpoint.name, endpoint.address);
    addPointer(compilation, endpoint.address, endpoint.name);
  }
  const targets = endpoints.flatMap((endpoint) => endpoint.ports.map((port) => ({ ...port, target: endpoint.name })));
  addWeightedByName(compilation, targets, ({ target }) => target);
  const isHeadless = compilation.view.service.spec.clusterIPs[0] === 'None';
  if (!isHeadless) compileClusterIPs(compilation);
  else {
    for (const { address } of endpoints) addAddress(compilation, compilation.serviceName, address);
    addServices(compilation, targets);
  }
}

function compileClusterIPs(compilation: Compilation): void {
  const { view, serviceName } = compilation;
  const addresses = clusterAddresses(compilation);
  for (const address of addresses) {
    addAddress(compilation, serviceName, address);
    addPointer(compilation, address, serviceName);
  }
  const ports = view.service.spec.ports;
  const targetsOf = () => ports.map(({ name, protocol, port }) => ({ name, protocol, port, target: serviceName }));
  addServices(compilation, addresses.flatMap(targetsOf));
}

function clusterAddresses({ view, skipped }: Compilation): Address[] {
  return view.service.spec.clusterIPs.flatMap((text, index) => {
    const address = parseAddress(text);
    if (address !== undefined) return [address];
    skipped.push({ path: `spec.clusterIPs[${index}]`, reason: `${JSON.stringify(text)} is not an address` });
    return [];
  });
}

/** One place that a port is reached at; the same one may occur for several addresses, and then counts several times. */
interface ServiceTarget {
  readonly name: string;
  readonly protocol: string;
  readonly port: number;
  readonly target: string;
}

/** SRV records (RFC 2782): all targets at the Service's own name, and those of each named port at the port's. */
function addServices(compilation: Compilation, targets: readonly ServiceTarget[]): void {
  addWeighted(compilation, compilation.serviceName, targets);
  addWeightedByName(compilation, targets, (target) => portName(compilation, target));
}

function addWeightedByName(
  compilation: Compilation,
  targets: readonly ServiceTarget[],
  nameOf: (target: ServiceTarget) => string | undefined,
): void {
  const byName = new Map<string, ServiceTarget[]>();
  for (const target of targets) {
    const name = nameOf(target);
    if (name === undefined) continue;
    const group = byName.get(name);
    if (group === undefined) byName.set(name, [target]);
    else group.push(target);
  }
  for (const [name, group] of byName) addWeighted(compilation, name, group);
}

function portName({ serviceName, skipped }: Compilation, port: ServiceTarget): string | undefined {
  if (port.name === '') return undefined;
  const label = port.name.toLowerCase();
  const name = `_${label}._${port.protocol.toLowerCase()}.${serviceName}`;
  // The underscore counts: a port name of 63 characters makes a label of 64.
  if (isHostLabel(label) && isName(name)) return name;
  const reason = `${JSON.stringify(port.name)} makes no DNS label, so the port has no SRV record of its own`;
  if (!skipped.some((known) => known.reason === reason)) skipped.push({ path: 'spec.ports[].name', reason });
  return undefined;
}

/** Each target gets an equal share of 100, at least 1, repeated targets counted before they are merged, as CoreDNS does. */
function addWeighted(compilation: Compilation, name: string, targets: readonly ServiceTarget[]): void {
  const weight = Math.max(1, Math.floor(100 / targets.length));
  for (const { port, target } of targets) add(compilation, { name, type: 'SRV', priority: 0, weight, port, target });
}

function addAddress(compilation: Compilation, name: string, address: Address): void {
  add(compilation, { name, type: address.family === 'IPv4' ? 'A' : 'AAAA', address: address.text });
}

function addPointer(compilation: Compilation, address: Address, target: string): void {
  add(compilation, { name: reverseName(address), type: 'PTR', target });
}
