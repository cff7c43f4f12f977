/**
 * The public names of a Service: those that `DnsAlias` intents give it, and those of ExternalDNS's annotations. Pure.
 *
 *   external-dns.alpha.kubernetes.io/hostname: shop.example.com,www.example.com
 *   external-dns.alpha.kubernetes.io/ttl: 60 or 1m
 *   signalbox.dev/dns-ttl: 60                         all records of the Service; ExternalDNS's wins at public names
 *
 *   the Service has           │ the name gets
 *   ──────────────────────────┼─────────────────────────────────────────────
 *   externalIPs               │ A, AAAA of these (as from ExternalDNS)
 *   addresses in its status   │ A, AAAA of these; else spec.loadBalancerIP
 *   only host names there     │ CNAME to the first by name, or nothing at the top of a zone
 *   an externalName           │ CNAME to it
 *   nothing (yet)             │ nothing
 *
 * A name of an annotation that no `DnsZone` holds is somebody else's: it is passed over without a word, because clusters
 * with an ExternalDNS of their own are full of them.
 */
import type { DnsAliasObject, DnsZoneObject, ServiceObject } from '@signalbox/contracts';
import { type Address, parseAddress } from '../addresses.ts';
import type { Compilation } from '../compilation.ts';
import { absolute, isName, parseHostName } from '../names.ts';
import { zoneOfName } from './compile-intent.ts';

const HOSTNAME_ANNOTATION = 'external-dns.alpha.kubernetes.io/hostname';
const TTL_ANNOTATION = 'external-dns.alpha.kubernetes.io/ttl';
const SERVICE_TTL_ANNOTATION = 'signalbox.dev/dns-ttl';
const MAX_TTL_SECONDS = 2 ** 31 - 1;

interface PublicName {
  readonly name: string;
  readonly path: string;
  readonly zone: DnsZoneObject;
  readonly ttlSeconds: number | undefined;
  readonly choice?: { readonly set: string; readonly weight: number };
}

/** TTL that the Service's own annotation sets for all its records; undefined for none, or a wrong one (told in `skipped`). */
export function serviceTtlSeconds(service: ServiceObject, skipped: Compilation['skipped']): number | undefined {
  return annotatedTtl(service, SERVICE_TTL_ANNOTATION, skipped);
}

export function compilePublicNames(compilation: Compilation): void {
  const { view, skipped } = compilation;
  const { zones = [], aliases = [] } = view.dns ?? {};
  if (zones.length === 0 && aliases.length === 0) return;
  const names = [
    ...aliases.flatMap((alias) => aliasName(compilation, zones, alias)),
    ...annotatedNames(compilation, zones),
  ];
  if (names.length === 0) return;
  const { addresses, host } = publicTargets(compilation);
  for (const name of names) {
    if (addresses.length > 0) addAddresses(compilation, name, addresses);
    else if (host === undefined) skipped.push({ path: name.path, reason: `${name.name} waits: no public address yet` });
    else addAlias(compilation, name, host);
  }
}

function aliasName({ skipped }: Compilation, zones: readonly DnsZoneObject[], alias: DnsAliasObject): PublicName[] {
  const { spec, metadata } = alias;
  const name = absolute(spec.name);
  const zone = isName(name) ? zoneOfName(zones, name) : undefined;
  const path = `DnsAlias ${metadata.name}`;
  if (zone === undefined) {
    skipped.push({ path, reason: `no DnsZone holds ${name}` });
    return [];
  }
  const choice = spec.weight === undefined ? {} : { choice: { set: metadata.name, weight: spec.weight } };
  return [{ name, path, zone, ttlSeconds: spec.ttlSeconds, ...choice }];
}

function annotatedNames({ view, skipped }: Compilation, zones: readonly DnsZoneObject[]): PublicName[] {
  const text = view.service.metadata.annotations?.[HOSTNAME_ANNOTATION] ?? '';
  const path = `metadata.annotations[${HOSTNAME_ANNOTATION}]`;
  const names = text.split(',').flatMap((part) => {
    const name = absolute(part.trim());
    const zone = part.trim() === '' ? undefined : zoneOfName(zones, name);
    if (zone !== undefined && !isName(name))
      skipped.push({ path, reason: `${JSON.stringify(name)} is no domain name` });
    return zone === undefined || !isName(name) ? [] : [{ name, zone }];
  });
  if (names.length === 0) return [];
  const ttlSeconds = annotatedTtl(view.service, TTL_ANNOTATION, skipped);
  return names.map((name) => ({ ...name, path, ttlSeconds }));
}

function publicTargets({ view, skipped }: Compilation): { addresses: Address[]; host: string | undefined } {
  const { spec, status } = view.service;
  if (spec.type === 'ExternalName') return { addresses: [], host: parseHostName(spec.externalName ?? '') };
  const ingress = spec.type === 'LoadBalancer' ? (status?.loadBalancer?.ingress ?? []) : [];
  const external = spec.externalIPs ?? [];
  const fromStatus = ingress.flatMap(({ ip }) => ip ?? []);
  const asked = spec.type === 'LoadBalancer' && ingress.length === 0 ? [spec.loadBalancerIP ?? ''] : [];
  const texts = [external, fromStatus, asked.filter((text) => text !== '')].find((list) => list.length > 0) ?? [];
  const addresses = texts.flatMap((text) => {
    const address = parseAddress(text);
    if (address === undefined) skipped.push({ path: 'public address', reason: `${JSON.stringify(text)} is not one` });
    return address ?? [];
  });
  const [host] = ingress.flatMap(({ hostname }) => parseHostName(hostname ?? '') ?? []).sort();
  return { addresses, host };
}

function ttlOf({ ttlSeconds, serviceTtlSeconds: own }: Compilation, { ttlSeconds: asked, zone }: PublicName): number {
  return asked ?? own ?? zone.spec.ttlSeconds ?? ttlSeconds;
}

function ownerOf(compilation: Compilation, publicName: PublicName) {
  const { name, choice } = publicName;
  return { name, ttlSeconds: ttlOf(compilation, publicName), ...(choice === undefined ? {} : { choice }) };
}

function addAddresses(compilation: Compilation, name: PublicName, addresses: readonly Address[]): void {
  const owner = ownerOf(compilation, name);
  for (const { family, text } of addresses) {
    compilation.records.push({ ...owner, type: family === 'IPv4' ? 'A' : 'AAAA', address: text });
  }
}

function addAlias(compilation: Compilation, name: PublicName, target: string): void {
  const { records, skipped } = compilation;
  if (name.name === absolute(name.zone.metadata.name)) {
    const reason = `${name.name} is the top of its zone, which cannot be an alias; the load balancer has only a host name`;
    skipped.push({ path: name.path, reason });
  } else if (target === name.name) {
    skipped.push({ path: name.path, reason: `${target} would be an alias of itself` });
  } else {
    records.push({ ...ownerOf(compilation, name), type: 'CNAME', target });
  }
}

/** Seconds, or a duration as Go writes it: `90s`, `1h30m`. */
function annotatedTtl(
  { metadata }: ServiceObject,
  annotation: string,
  skipped: Compilation['skipped'],
): number | undefined {
  const text = metadata.annotations?.[annotation]?.trim();
  if (text === undefined) return undefined;
  const [, hours = 0, minutes = 0, seconds = 0] = /^(?:(\d{1,6})h)?(?:(\d{1,8})m)?(?:(\d{1,10})s)?$/.exec(text) ?? [];
  const isDuration = text !== '' && /^(?:\d+h)?(?:\d+m)?(?:\d+s)?$/.test(text);
  const value = isDuration ? Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds) : Number(text);
  if (text !== '' && Number.isInteger(value) && value >= 0 && value <= MAX_TTL_SECONDS) return value;
  skipped.push({ path: `metadata.annotations[${annotation}]`, reason: `${JSON.stringify(text)} is not a TTL` });
  return undefined;
}
