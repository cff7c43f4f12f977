/**
 * Asks the API replicas and the DNS server for the probe while faults happen. Whoever answers must hold what it claims: at
 * revision R the probe as it was at R. Saying nothing, or that nothing is known, is always right.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { ServiceDetail } from '@signalbox/contracts';
import { CLUSTER, countOfAddress, PROBE } from './cluster.ts';
import { askAddresses, dnsSerial } from './dns-client.ts';
import type { ApiReplica, Plane } from './plane.ts';
import type { ProbeHistory } from './probe-history.ts';
import type { Rising } from './rising.ts';
import type { Timeline } from './timeline.ts';

const EVERY_MS = 100;
/** Who was behind may show what is newer than its revision: what it has missed was replaced, and nobody can read it any more. */
const NEWER = Number.POSITIVE_INFINITY;
const NOERROR = 0;
const NXDOMAIN = 3;
const PROBE_PATH = `/v1/clusters/${CLUSTER.name}/namespaces/${PROBE.namespace}/services/${PROBE.name}`;
const PROBE_NAME = `${PROBE.name}.${PROBE.namespace}.svc.${CLUSTER.domain}`;

interface Watched {
  readonly rising: Rising;
  readonly probes: ProbeHistory;
  readonly timeline: Timeline;
  readonly signal: AbortSignal;
}

/** Resolves after the signal. */
export async function watchServers({ apis, dnsPort }: Plane, watched: Watched): Promise<void> {
  const watches = [...apis.map((api) => () => askApi(api, watched)), () => askDns(dnsPort, watched)];
  await Promise.all(
    watches.map(async (ask) => {
      while (!watched.signal.aborted) {
        await ask();
        await sleep(EVERY_MS);
      }
    }),
  );
}

async function askApi({ name, url }: ApiReplica, { rising, probes, timeline }: Watched): Promise<void> {
  const signal = AbortSignal.timeout(2000);
  const response = await fetch(url + PROBE_PATH, { signal }).catch(() => undefined);
  const text = await response?.text().catch(() => undefined);
  if (response === undefined || text === undefined) return;
  if (response.status === 404) probes.served({ where: name, fromRevision: 0, toRevision: 0, count: undefined });
  if (response.status !== 200) return;
  const { revision, records } = JSON.parse(text) as ServiceDetail;
  rising.note(`the revision of ${name}`, revision);
  const addresses = (records?.document?.records ?? []).flatMap((record) => (record.type === 'A' ? record.address : []));
  const detail = `of revision ${records?.revision}`;
  const count = countOf(addresses);
  timeline.note(name, `at ${revision} count ${count} ${detail}`);
  probes.served({ where: name, fromRevision: revision, toRevision: NEWER, count, detail });
}

/**
 * The serial before the answer: it is of that revision or a later one.
 */
async function askDns(port: number, { rising, probes, timeline }: Watched): Promise<void> {
  const serial = await dnsSerial(port, CLUSTER.domain);
  const answer = await askAddresses(port, PROBE_NAME);
  if (serial === 0) return;
  rising.note('the serial of dns-server', serial);
  if (answer?.code !== NOERROR && answer?.code !== NXDOMAIN) return;
  const count = countOf(answer.addresses);
  timeline.note('dns-server', `at ${serial} or later count ${count}`);
  probes.served({ where: 'dns-server', fromRevision: serial, toRevision: NEWER, count });
}

function countOf(addresses: readonly string[]): number | undefined {
  const [address] = addresses;
  return address === undefined ? undefined : countOfAddress(address);
}
