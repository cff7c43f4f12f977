/** What is served while packets of every sort come in: the recorded cluster, and a zone with all that intents can make. */
import { type DnsRecord, INTENT_CLUSTER, type RecordSet } from '@signalbox/contracts';
import { assembleZones, type TsigKey } from '@signalbox/zones';
import { recordedRecordSets } from '../dns/recorded-cluster.ts';
import type { PacketWorld } from './packets.ts';

export const REVISION = 8;
export const CLUSTERS = { shop: { domain: 'cluster.local' } };
export const FUZZ_KEY: TsigKey = {
  name: 'fuzz.',
  algorithm: 'hmac-sha256',
  secret: new Uint8Array(32).fill(7),
  macBytes: 32,
};

const ZONE = 'shop.example.';
const NAMESPACE = 'DnsRecords';

export function servedRecordSets(): RecordSet[] {
  const zone = {
    cluster: INTENT_CLUSTER,
    namespace: 'DnsZone',
    name: 'shop.example',
    records: [],
    zone: { name: ZONE },
  };
  const own = { cluster: INTENT_CLUSTER, namespace: NAMESPACE, name: 'all', records: publicRecords() };
  const wide = { cluster: 'shop', namespace: 'ns', name: 'wide', records: wideRecords() };
  return [...recordedRecordSets(), zone, own, wide];
}

/** Every name with records, the names above them, and some of nobody. */
export function packetWorld(answer: PacketWorld['answer']): PacketWorld {
  const recordSets = servedRecordSets();
  const zones = assembleZones({ domain: 'cluster.local', revision: REVISION, ttlSeconds: 30, recordSets });
  const records = [...zones.flatMap((zone) => zone.records), ...publicRecords()];
  const owners = records.map(({ name }) => name.slice(0, -1));
  const above = owners.map((name) => name.slice(name.indexOf('.') + 1));
  const names = [...new Set([...owners, ...above, '', 'local', 'www.example.org', '10-1-2-3.shop.pod.cluster.local'])];
  return { names, zones: ['cluster.local', 'in-addr.arpa', 'shop.example'], key: FUZZ_KEY, answer };
}

/** More than one UDP answer holds, of addresses and of targets. */
function wideRecords(): DnsRecord[] {
  const name = 'wide.ns.svc.cluster.local.';
  return Array.from({ length: 120 }, (_, index): DnsRecord[] => {
    const target = `host-${index}.${name}`;
    return [
      { name, ttlSeconds: 30, type: 'A', address: `10.9.0.${index}` },
      { name: target, ttlSeconds: 30, type: 'A', address: `10.9.0.${index}` },
      { name, ttlSeconds: 30, type: 'SRV', priority: 0, weight: 1, port: 80, target },
    ];
  }).flat();
}

function publicRecords(): DnsRecord[] {
  const ttlSeconds = 60;
  const weighted = (set: string, weight: number, address: string): DnsRecord => {
    return { name: `weighted.${ZONE}`, ttlSeconds, type: 'A', address, choice: { set, weight } };
  };
  return [
    weighted('a', 3, '192.0.2.1'),
    weighted('b', 1, '192.0.2.2'),
    { name: `*.wild.${ZONE}`, ttlSeconds, type: 'A', address: '192.0.2.3' },
    { name: `loop.${ZONE}`, ttlSeconds, type: 'CNAME', target: `pool.${ZONE}` },
    { name: `pool.${ZONE}`, ttlSeconds, type: 'CNAME', target: `loop.${ZONE}` },
    { name: `away.${ZONE}`, ttlSeconds, type: 'CNAME', target: 'www.example.org.' },
    { name: `web.${ZONE}`, ttlSeconds, type: 'CNAME', target: 'web.shop.svc.cluster.local.' },
    { name: `part.${ZONE}`, ttlSeconds, type: 'NS', target: `ns.part.${ZONE}` },
    { name: `ns.part.${ZONE}`, ttlSeconds, type: 'A', address: '192.0.2.53' },
    { name: ZONE, ttlSeconds, type: 'MX', preference: 10, exchange: `mail.${ZONE}` },
    { name: ZONE, ttlSeconds, type: 'CAA', flags: 0, tag: 'issue', value: 'ca.example' },
    { name: `text.${ZONE}`, ttlSeconds, type: 'TXT', text: ['x'.repeat(2000), 'é"\\'] },
  ];
}
