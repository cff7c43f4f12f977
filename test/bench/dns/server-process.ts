/** A server to be measured: `signalbox` or `dns-packet`, port, services. */
import { createSocket } from 'node:dgram';
import { type DerivedMessage, derivedSubject, watermarkSubject } from '@signalbox/contracts';
import { startDnsServer } from '@signalbox/dns-server';
import { openSqliteEventLog } from '@signalbox/event-log';
import { createLogger, createRegistry } from '@signalbox/kit';
import dnsPacket, { type Answer, type Packet } from 'dns-packet';
import { benchRecordSets, DOMAIN, REVISION } from './zone.ts';

const [kind, port, services] = process.argv.slice(2);

if (kind === 'signalbox') await serveSignalbox();
else serveDnsPacket();

async function serveSignalbox(): Promise<void> {
  const log = openSqliteEventLog({ path: ':memory:' });
  const context = { log, logger: createLogger({ component: 'bench', level: 'error' }), registry: createRegistry() };
  const documents = benchRecordSets(Number(services)).map((recordSet) => {
    const shared = { revision: REVISION, changedAtMs: 0, contentHash: '', skipped: [] };
    const message: DerivedMessage = { ...shared, document: recordSet };
    return { subject: derivedSubject('dns', recordSet), data: JSON.stringify(message) };
  });
  const clusters = { bench: { domain: DOMAIN } };
  const watermark = { layer: 'dns', revision: REVISION, clusters, skippedServices: 0 };
  await log.appendAll('derived', [...documents, { subject: watermarkSubject('dns'), data: JSON.stringify(watermark) }]);
  const listen = [{ address: '127.0.0.1', port: Number(port) }];
  await startDnsServer(context, { listen, ttlSeconds: 30 });
}

/** What a straightforward server does: look up, encode. */
function serveDnsPacket(): void {
  const records = benchRecordSets(Number(services)).flatMap((recordSet) => recordSet.records);
  const answers = new Map(
    records.map((record): [string, Answer[]] => {
      const data = record.type === 'A' ? record.address : '';
      return [record.name.slice(0, -1), [{ type: 'A', name: record.name.slice(0, -1), ttl: 30, data }]];
    }),
  );
  const [mname, rname] = [`ns.dns.${DOMAIN}`, `hostmaster.${DOMAIN}`];
  const numbers = { serial: REVISION, refresh: 7200, retry: 1800, expire: 86_400, minimum: 30 };
  const soa: Answer = { type: 'SOA', name: DOMAIN, ttl: 30, data: { mname, rname, ...numbers } };
  const socket = createSocket({ type: 'udp4', lookup: (host, _options, callback) => callback(null, host, 4) });
  socket.on('message', (packet, peer) => {
    const { id = 0, questions = [] } = dnsPacket.decode(packet);
    const found = answers.get(questions[0]?.name.toLowerCase() ?? '');
    const flags = dnsPacket.AUTHORITATIVE_ANSWER | (found === undefined ? 3 : 0);
    const reply: Packet = { type: 'response', id, flags, questions };
    const sections = found === undefined ? { authorities: [soa] } : { answers: found };
    socket.send(dnsPacket.encode({ ...reply, ...sections }), peer.port, peer.address);
  });
  socket.bind(Number(port), '127.0.0.1');
}
