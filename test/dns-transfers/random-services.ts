/** A cluster of Services that keeps changing, the same way for the same seed. */
import { type DnsRecord, derivedSubject, type RecordSet } from '@signalbox/contracts';
import type { AppendEntry, EventLog } from '@signalbox/event-log';
import { documentEntry, watermarkEntry } from '../dns/dns-harness.ts';

const CLUSTERS = { shop: { domain: 'cluster.local' } };

export class RandomServices {
  readonly #log: EventLog;
  readonly #services = new Map<string, RecordSet>();
  #state: number;
  #revision = 0;

  constructor(log: EventLog, seed: number) {
    this.#log = log;
    this.#state = seed;
  }

  get revision(): number {
    return this.#revision;
  }

  /** So many Services at once, as one revision. */
  async create(count: number): Promise<void> {
    await this.#commit(Array.from({ length: count }, (_, index) => this.#put(`web-${index}`)));
  }

  /** A few Services come, change or go, each change a revision of its own. */
  async change(count: number): Promise<void> {
    for (let left = count; left > 0; left -= 1) {
      const name = `web-${this.#below(60)}`;
      await this.#commit([this.#below(3) === 0 ? this.#remove(name) : this.#put(name)]);
    }
  }

  async #commit(entries: readonly AppendEntry[]): Promise<void> {
    this.#revision += 1;
    await this.#log.appendAll('derived', [...entries, watermarkEntry(this.#revision, CLUSTERS)]);
  }

  #put(service: string): AppendEntry {
    const key = { cluster: 'shop', namespace: 'ns', name: service };
    const recordSet = { ...key, records: this.#records(`${service}.ns.svc.cluster.local.`) };
    this.#services.set(service, recordSet);
    return documentEntry(recordSet, this.#revision);
  }

  #remove(service: string): AppendEntry {
    this.#services.delete(service);
    return { subject: derivedSubject('dns', { cluster: 'shop', namespace: 'ns', name: service }), data: null };
  }

  #records(name: string): DnsRecord[] {
    const ttlSeconds = [5, 30, 60][this.#below(3)] ?? 30;
    if (this.#below(8) === 0) return [{ name, ttlSeconds, type: 'CNAME', target: `db-${this.#below(3)}.example.com.` }];
    const addresses = Array.from({ length: 1 + this.#below(6) }, () => `10.0.${this.#below(4)}.${this.#below(250)}`);
    const own = [...new Set(addresses)].map((address): DnsRecord => ({ name, ttlSeconds, type: 'A', address }));
    const service = {
      ttlSeconds,
      type: 'SRV',
      priority: 0,
      weight: 50,
      port: 80 + this.#below(3),
      target: name,
    } as const;
    const text: DnsRecord = { name: `*.${name}`, ttlSeconds, type: 'TXT', text: [`a "quoted" \\ é ${this.#below(9)}`] };
    return [...own, { ...service, name: `_http._tcp.${name}` }, ...(this.#below(4) === 0 ? [text] : [])];
  }

  /** A linear congruential generator (Numerical Recipes). */
  #below(limit: number): number {
    this.#state = (Math.imul(this.#state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((this.#state / 2 ** 32) * limit);
  }
}
