/**
 * What `signalbox up` shows: on a terminal a small block that is redrawn in place, elsewhere a line per change.
 * Log lines go above the block.
 */
import { SOURCE_KINDS, type SourceStatus } from '@signalbox/contracts';
import type { CliIo } from './io.ts';
import { formatTable, printable } from './table.ts';

export interface PlaneFacts {
  readonly clusters: readonly { readonly name: string; readonly domain: string }[];
  readonly revision: number;
  readonly isReady: boolean;
  readonly reason: string;
  readonly apiUrl: string;
  /** `127.0.0.1:7053`; undefined without a DNS server. */
  readonly dnsAddress: string | undefined;
}

const REDRAW_INTERVAL_MS = 200;

export class LiveStatus {
  readonly #io: CliIo;
  readonly #facts: () => PlaneFacts | undefined;
  readonly #statuses = new Map<string, Map<string, SourceStatus>>();
  readonly #isTerminal: boolean;
  #drawnLines = 0;
  #lastText = '';
  #timer: NodeJS.Timeout | undefined;

  constructor(io: CliIo, facts: () => PlaneFacts | undefined) {
    this.#io = io;
    this.#facts = facts;
    this.#isTerminal = io.stdout.isTTY === true;
  }

  start(): void {
    this.#timer = setInterval(() => this.#draw(), REDRAW_INTERVAL_MS);
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#draw();
  }

  noteStatus(status: SourceStatus): void {
    const kinds = this.#statuses.get(status.cluster) ?? new Map<string, SourceStatus>();
    kinds.set(status.kind, status);
    this.#statuses.set(status.cluster, kinds);
  }

  /** Writes a line that stays. */
  print(line: string): void {
    this.#erase();
    this.#io.stderr.write(`${line}\n`);
    if (this.#isTerminal) this.#write();
  }

  #draw(): void {
    const facts = this.#facts();
    if (facts === undefined) return;
    const text = this.#isTerminal ? this.#block(facts) : this.#line(facts);
    if (text === this.#lastText) return;
    this.#erase();
    this.#lastText = text;
    this.#write();
  }

  #write(): void {
    if (this.#lastText === '') return;
    this.#io.stdout.write(`${this.#lastText}\n`);
    this.#drawnLines = this.#isTerminal ? this.#lastText.split('\n').length : 0;
  }

  #erase(): void {
    if (this.#drawnLines > 0) this.#io.stdout.write(`\u001b[${this.#drawnLines}A\u001b[0J`);
    this.#drawnLines = 0;
  }

  #block(facts: PlaneFacts): string {
    const width = this.#io.stdout.columns;
    const rows = facts.clusters.map((cluster) => ({ ...cluster, kinds: this.#statuses.get(cluster.name) }));
    const table = formatTable(
      [
        { title: 'cluster', value: (row) => row.name },
        { title: 'services', value: (row) => objectsOf(row.kinds, 'Service') },
        { title: 'slices', value: (row) => objectsOf(row.kinds, 'EndpointSlice') },
        { title: 'nodes', value: (row) => objectsOf(row.kinds, 'Node') },
        { title: 'domain', value: (row) => row.domain },
        { title: 'state', value: (row) => stateText(row.kinds) },
      ],
      rows,
      width,
    );
    const state = facts.isReady ? 'rules, DNS and load balancers are derived' : `working: ${facts.reason}`;
    return [
      '',
      table,
      '',
      `Revision   ${facts.revision}  ${state}`,
      `API        ${facts.apiUrl}  (readable: ${facts.apiUrl}/docs)`,
      `DNS        ${facts.dnsAddress ?? 'off'}`,
      '',
      'Ctrl-C stops. In another terminal: npx signalbox get services',
    ].join('\n');
  }

  #line(facts: PlaneFacts): string {
    const clusters = facts.clusters.map(({ name }) => {
      const kinds = this.#statuses.get(name);
      return `${name}: ${objectsOf(kinds, 'Service')} services, ${objectsOf(kinds, 'Node')} nodes, ${stateText(kinds)}`;
    });
    const state = facts.isReady ? `ready, API ${facts.apiUrl}, DNS ${facts.dnsAddress ?? 'off'}` : facts.reason;
    return `revision ${facts.revision} | ${clusters.join(' | ')} | ${state}`;
  }
}

function objectsOf(kinds: ReadonlyMap<string, SourceStatus> | undefined, kind: string): number | string {
  return kinds?.get(kind)?.objects ?? '-';
}

function stateText(kinds: ReadonlyMap<string, SourceStatus> | undefined): string {
  const known = [...(kinds?.values() ?? [])];
  const troubled = known.find(({ state, message }) => message !== '' || (state !== 'watching' && state !== 'syncing'));
  if (troubled !== undefined) return printable(`${troubled.kind} ${troubled.state}: ${troubled.message}`);
  return known.length < SOURCE_KINDS.length || known.some(({ state }) => state === 'syncing') ? 'syncing' : 'watching';
}
