/**
 * What CoreDNS 1.13 with its kubernetes plugin (`pods verified`, zones `cluster.local`, `in-addr.arpa`, `ip6.arpa`) answers,
 * from nothing but the objects: it has no records and no tree of names, it takes each question apart and looks for Services.
 * As its source says: plugin/kubernetes (parse.go, kubernetes.go, reverse.go, handler.go) and plugin/backend_lookup.go.
 */
import { isIP, isIPv6 } from 'node:net';
import { type EndpointSliceObject, type PodObject, type ServiceObject, serviceNameOfSlice } from '@signalbox/contracts';
import { podLabel } from '@signalbox/zones';

export interface ClusterObjects {
  readonly services: readonly ServiceObject[];
  readonly slices: readonly EndpointSliceObject[];
  readonly pods: readonly PodObject[];
  readonly namespaces: readonly string[];
}

/** Records as `NAME TYPE DATA`; without any the SOA is in the authority section. */
export interface CoreDnsAnswer {
  readonly code: 'NOERROR' | 'NXDOMAIN';
  readonly answers: readonly string[];
  readonly additional: readonly string[];
}

/** One thing that is found under a name. A host that is no address is an alias. */
interface Found {
  /** The name that an SRV record points to. */
  readonly target: string;
  readonly host: string;
  readonly port: number;
}

interface Asked {
  readonly kind: 'svc' | 'pod';
  readonly namespace: string;
  readonly service: string | undefined;
  readonly endpoint: string | undefined;
  readonly port: { readonly name: string; readonly protocol: string } | undefined;
}

const DOMAIN = 'cluster.local.';
/** Of a slice without ports: it counts where weight is shared, and is not told. */
const NO_PORT = -1;
const NAME_ERROR: CoreDnsAnswer = { code: 'NXDOMAIN', answers: [], additional: [] };

export function answerAsCoreDns(objects: ClusterObjects, name: string, type: string): CoreDnsAnswer {
  if (type === 'SOA') return isApex(name) ? data([`${name} SOA`]) : data([]);
  if (type === 'NS' && isApex(name)) return data([`${name} NS ns.dns.${name}`], [`ns.dns.${name} A 127.0.0.1`]);
  if (type === 'TXT' && name === `dns-version.${DOMAIN}`) return data([`${name} TXT "1.1.0"`]);
  if (type === 'PTR' && addressOf(name) !== undefined) return pointers(objects, name);
  const found = name.startsWith('ns.dns.') && isApex(name.slice(7)) ? serverOf(name, type) : find(objects, name);
  // Whether a name exists at all is a question that it answers for TXT by what it has to say there.
  if (found === undefined || (type === 'TXT' && found.length === 0)) return NAME_ERROR;
  if (type === 'SRV') return services(name, found);
  return data(found.flatMap(({ host }) => recordsOf(name, type, host)));
}

function data(answers: readonly string[], additional: readonly string[] = []): CoreDnsAnswer {
  return { code: 'NOERROR', answers: distinct(answers), additional: distinct(additional) };
}

function distinct(lines: readonly string[]): string[] {
  return [...new Set(lines)].sort();
}

function isApex(name: string): boolean {
  return [DOMAIN, 'in-addr.arpa.', 'ip6.arpa.'].includes(name);
}

function serverOf(name: string, type: string): Found[] {
  return ['A', 'SRV', 'TXT'].includes(type) ? [{ target: name, host: '127.0.0.1', port: 0 }] : [];
}

function recordsOf(name: string, type: string, host: string): string[] {
  if (isIP(host) === 0) return ['A', 'AAAA', 'CNAME'].includes(type) ? [`${name} CNAME ${host}.`] : [];
  return typeOf(host) === type ? [`${name} ${type} ${host}`] : [];
}

function typeOf(address: string): 'A' | 'AAAA' {
  return isIPv6(address) ? 'AAAA' : 'A';
}

function services(name: string, all: readonly Found[]): CoreDnsAnswer {
  const found = all.filter(({ host }) => isIP(host) !== 0);
  const weight = Math.max(1, Math.floor(100 / found.length));
  const told = found.filter(({ port }) => port !== NO_PORT);
  return data(
    told.map(({ port, target }) => `${name} SRV 0 ${weight} ${port} ${target}`),
    told.map(({ target, host }) => `${target} ${typeOf(host)} ${host}`),
  );
}

/** Undefined: no such name. Empty: it is one, with nothing to say. */
function find(objects: ClusterObjects, name: string): Found[] | undefined {
  if (isApex(name)) return [];
  const asked = parse(name);
  if (asked === 'existing') return [];
  if (asked === undefined || !objects.namespaces.includes(asked.namespace)) return undefined;
  if (asked.service === undefined) return [];
  const found = asked.kind === 'pod' ? findPods(objects, asked) : findServices(objects, asked, asked.service);
  return found.length === 0 ? undefined : found;
}

function parse(name: string): Asked | 'existing' | undefined {
  if (!name.endsWith(`.${DOMAIN}`)) return undefined;
  const labels = name.slice(0, -DOMAIN.length - 1).split('.');
  const [kind, namespace, service, first, second, ...more] = labels.reverse();
  if ((kind !== 'svc' && kind !== 'pod') || more.length > 0) return undefined;
  if (namespace === undefined) return 'existing';
  const port = second === undefined ? undefined : { name: withoutLine(second), protocol: withoutLine(first ?? '') };
  return { kind, namespace, service, endpoint: second === undefined ? first : undefined, port };
}

function withoutLine(label: string): string {
  return label.replace(/^_/, '');
}

function findPods({ pods }: ClusterObjects, { namespace, service }: Asked): Found[] {
  const target = `${service}.${namespace}.pod.${DOMAIN}`;
  return pods
    .filter((pod) => pod.metadata.namespace === namespace && podLabel(pod) === service)
    .map(({ status }) => ({ target, host: status.podIP ?? '', port: 0 }));
}

function findServices(objects: ClusterObjects, asked: Asked, name: string): Found[] {
  const service = objects.services.find(
    ({ metadata }) => metadata.name === name && metadata.namespace === asked.namespace,
  );
  if (service === undefined) return [];
  const target = `${name}.${asked.namespace}.svc.${DOMAIN}`;
  const { type, externalName = '', clusterIPs, ports } = service.spec;
  if (type === 'ExternalName') {
    return asked.endpoint === undefined && asked.port === undefined ? [{ target, host: externalName, port: 0 }] : [];
  }
  if (clusterIPs[0] === 'None' || asked.endpoint !== undefined) return findEndpoints(objects, asked, target);
  return ports
    .filter((port) => isAskedFor(asked, port))
    .flatMap(({ port }) => clusterIPs.map((host) => ({ target, host, port })));
}

function findEndpoints({ slices }: ClusterObjects, asked: Asked, serviceName: string): Found[] {
  const own = slices.filter((slice) => nameOf(slice) === serviceName);
  return own.flatMap((slice) =>
    endpointsOf(slice)
      .filter(({ label }) => asked.endpoint === undefined || asked.endpoint === label)
      .flatMap(({ label, host }) =>
        portsOf(slice)
          .filter((port) => isAskedFor(asked, port))
          .map(({ port }) => ({ target: `${label}.${serviceName}`, host, port: port ?? NO_PORT })),
      ),
  );
}

function portsOf({
  ports,
}: EndpointSliceObject): { name: string; protocol: string; port?: number | null | undefined }[] {
  return ports.length > 0 ? ports : [{ name: '', protocol: '' }];
}

function nameOf(slice: EndpointSliceObject): string {
  return `${serviceNameOfSlice(slice)}.${slice.metadata.namespace}.svc.${DOMAIN}`;
}

function endpointsOf(slice: EndpointSliceObject): { label: string; host: string }[] {
  const ready = slice.endpoints.filter(({ conditions }) => conditions?.ready !== false);
  return ready.flatMap(({ addresses, hostname }) =>
    addresses.map((host) => ({ host, label: hostname ?? host.replaceAll(/[.:]/g, '-') })),
  );
}

function isAskedFor({ port }: Asked, own: { name: string; protocol: string }): boolean {
  if (port === undefined) return true;
  return own.name.toLowerCase() === port.name && own.protocol.toLowerCase() === port.protocol;
}

/** The Service with this cluster IP, else every endpoint with the address. */
function pointers({ services, slices }: ClusterObjects, name: string): CoreDnsAnswer {
  const address = addressOf(name);
  const owner = services.find(({ spec }) => spec.clusterIPs.some((text) => normal(text) === address));
  const endpoints = slices.flatMap((slice) =>
    endpointsOf(slice)
      .filter(({ host }) => normal(host) === address)
      .map(({ label }) => `${label}.${nameOf(slice)}`),
  );
  const targets = owner ? [`${owner.metadata.name}.${owner.metadata.namespace}.svc.${DOMAIN}`] : endpoints;
  return targets.length === 0 ? NAME_ERROR : data(targets.map((target) => `${name} PTR ${target}`));
}

/** IPv6 as RFC 5952 writes it. */
function normal(text: string): string {
  return isIPv6(text) ? new URL(`http://[${text}]`).hostname.slice(1, -1) : text;
}

function addressOf(name: string): string | undefined {
  const [, ipv4] = /^((?:\d+\.){4})in-addr\.arpa\.$/.exec(name) ?? [];
  if (ipv4 !== undefined) return normal(ipv4.split('.').reverse().slice(1).join('.'));
  const [, ipv6] = /^((?:[\da-f]\.){32})ip6\.arpa\.$/.exec(name) ?? [];
  const digits = ipv6?.replaceAll('.', '').split('').reverse().join('');
  return digits && normal((digits.match(/.{4}/g) ?? []).join(':'));
}
