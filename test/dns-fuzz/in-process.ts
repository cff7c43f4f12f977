/** The code that answers packets, without sockets. */
import { createLogger, createRegistry } from '@signalbox/kit';
import { ZoneIndex } from '@signalbox/zones';
import { KeptAnswers } from '../../services/dns-server/src/kept-answers.ts';
import { createDnsMetrics } from '../../services/dns-server/src/metrics.ts';
import { QueryAcl } from '../../services/dns-server/src/query-acl.ts';
import { type Responder, respondOverUdp } from '../../services/dns-server/src/responder.ts';
import { Staleness } from '../../services/dns-server/src/staleness.ts';
import { createTransferMetrics } from '../../services/dns-server/src/transfer/transfer-metrics.ts';
import { TransferRules } from '../../services/dns-server/src/transfer/transfer-rules.ts';
import { ZoneVersions } from '../../services/dns-server/src/transfer/zone-versions.ts';
import { CLUSTERS, FUZZ_KEY, REVISION, servedRecordSets } from './served-world.ts';

const MAX_UDP_BYTES = 1232;
/** Small, so that it is full soon, and has to stay as it is from then on. */
const MAX_KEPT_BYTES = 2 ** 20;

/** What goes back to 127.0.0.1 over UDP. */
export function udpAnswerer(): (packet: Uint8Array) => Uint8Array | undefined {
  const responder = aResponder();
  const settings = { maxUdpBytes: MAX_UDP_BYTES, maxBytes: MAX_KEPT_BYTES };
  const kept = new KeptAnswers(responder.index, settings);
  return (packet) => {
    const message = respondOverUdp(responder, kept, packet, '127.0.0.1');
    if (message instanceof Promise) throw new Error('an answer that has to wait');
    return message;
  };
}

function aResponder(): Responder {
  const index = new ZoneIndex({ ttlSeconds: 30, pods: 'verified' });
  const logger = createLogger({ component: 'fuzz', level: 'silent' });
  const versions = new ZoneVersions(index);
  for (const recordSet of servedRecordSets()) index.upsert(recordSet);
  const clusters = Object.entries(CLUSTERS).map(([name, { domain }]) => ({ name, domain, isSynced: true }));
  for (const revision of [REVISION - 1, REVISION]) {
    index.setClusters(clusters, revision);
    versions.advance({ isExact: true });
  }
  const transferMetrics = createTransferMetrics(createRegistry(), versions);
  return {
    index,
    metrics: createDnsMetrics(createRegistry(), { index, staleness: new Staleness() }),
    logger,
    transfers: { index, versions, rules: new TransferRules(), keys: [FUZZ_KEY], metrics: transferMetrics, logger },
    maxUdpBytes: MAX_UDP_BYTES,
    acl: new QueryAcl(['127.0.0.0/8']),
  };
}
