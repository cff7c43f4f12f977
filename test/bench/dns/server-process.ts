/** A server to be measured: port, services, then `dns-packet`, or how UDP is received and the number of processes. */
import { createSocket } from 'node:dgram';
import { type DerivedMessage, derivedSubject, type RecordSet, watermarkSubject } from '@signalbox/contracts';
import { startDnsServer } from '@signalbox/dns-server';
import { type AppendEntry, openSqliteEventLog } from '@signalbox/event-log';
import { createLogger, createRegistry } from '@signalbox/kit';
import dnsPacket, { type Answer, type Packet } from 'dns-packet';
import { type AddressChange, benchRecordSets, DOMAIN, REVISION, recordSet } from './zone.ts';

const [port, services, kind, processes] = process.argv.slice(2);

if (kind === 'dns-packet') serveDnsPacket();
else await serveSignalbox(kind === 'dgram' ? 'dgram' : 'batch');

async function serveSignalbox(udpReceiver: 'batch' | 'dgram'): Promise<void> {
  const log = openSqliteEventLog({ path: ':memory:' });
  const context = { log, logger: createLogger({ component: 'bench', level: 'error' }), registry: createRegistry() };
  const documents = benchRecordSets(Number(services)).map(documentOf);
  await log.appendAll('derived', [...documents, watermarkOf(REVISION)]);
  const listen = [{ address: '127.0.0.1', port: Number(port) }];
  await startDnsServer(context, { listen, ttlSeconds: 30, udpReceiver, processes: Number(processes) });
  let revision = REVISION;
  process.on('message', ({ service, address }: AddressChange) => {
    revision += 1;
    void log.appendAll('derived', [documentOf(recordSet(service, address)), watermarkOf(revision)]);
  });
}

function documentOf(document: RecordSet): AppendEntry {
  const message: DerivedMessage = { revision: REVISION, changedAtMs: 0, contentHash: '', skipped: [], document };
  return { subject: derivedSubject('dns', document), data: JSON.stringify(message) };
}

function watermarkOf(revision: number): AppendEntry {
  const watermark = { layer: 'dns', revision, clusters: { bench: { domain: DOMAIN } }, skippedServices: 0 };
  return { subject: watermarkSubject('dns'), data: JSON.stringify(watermark) };
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
