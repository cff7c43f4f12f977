/**
 * Makes a running HAProxy equal to the proxies wanted. Level-triggered: it reads what is, and changes what differs, so
 * equal calls after any failure, restart or hand-made change end in the same state.
 *
 *     running layout = wanted layout? ─ yes ─► servers of the backends asked for, through the runtime socket
 *              │ no
 *              └─► servers of all backends that run already ─► state of servers saved ─► configuration with servers in
 *                  their slots, checked ─► reload (or start) ─► servers of all backends
 *
 * Servers come first: a target that has to go does not wait for a reload.
 */
import { SignalboxError } from '@signalbox/contracts';
import type { DesiredServer, LbProxy } from './config/proxy.ts';
import { type ConfigSettings, NOWHERE, renderConfig, renderLayout, type Slot } from './config/render-config.ts';
import type { HaproxyControl } from './process/haproxy-control.ts';
import { planServers, type ServerCommand, slotCount } from './runtime/plan-servers.ts';
import { renderCommand } from './runtime/render-command.ts';
import { errorOfAnswer } from './runtime/runtime-socket.ts';
import { parseCheckDetails, parseServersState, type ServerState, type ServersState } from './runtime/servers-state.ts';

export type Proxies = ReadonlyMap<string, LbProxy>;

export interface ProgrammingOutcome {
  readonly isReloaded: boolean;
  /** Those sent, by type. */
  readonly commands: readonly ServerCommand['type'][];
  /** Backends that were not as they had been left. */
  readonly drifted: readonly string[];
}

export interface ProgrammingRequest {
  /** As `runningLayout` has just told. */
  readonly layout: string | undefined;
  /** Backends that may have changed; `all` also finds what others have changed, and reads the health checks. */
  readonly names: ReadonlySet<string> | 'all';
}

interface Backend {
  readonly proxy: LbProxy;
  readonly command: ServerCommand;
}

/** Reading, changing, and reading again; one more for what somebody else changes at the same moment. */
const ATTEMPTS = 3;
/** How old the configuration on disk may get while only servers change: a HAProxy started by others begins with it. */
const CONFIG_MAX_AGE_MS = 10_000;

export class Programmer {
  readonly #control: HaproxyControl;
  readonly #settings: ConfigSettings;
  /** As last read. */
  readonly #states = new Map<string, readonly ServerState[]>();
  #details: ReadonlyMap<string, string> = new Map();
  /** Backends that were brought to what is wanted, and what that was. */
  readonly #done = new Map<string, readonly DesiredServer[]>();
  #staleSinceMs: number | undefined;

  constructor(control: HaproxyControl, settings: ConfigSettings) {
    this.#control = control;
    this.#settings = settings;
  }

  get states(): ServersState {
    return this.#states;
  }

  /** `backend/server` → what its last check said. */
  get checkDetails(): ReadonlyMap<string, string> {
    return this.#details;
  }

  /** Hash of the layout that runs; undefined: no HAProxy runs. */
  async runningLayout(): Promise<string | undefined> {
    return await this.#control.runningLayout();
  }

  async program(proxies: Proxies, { layout, names }: ProgrammingRequest): Promise<ProgrammingOutcome> {
    const { layoutHash } = renderLayout(proxies.values(), this.#settings);
    if (layout !== layoutHash) return await this.#changeLayout(proxies, layout !== undefined);
    const asked = names === 'all' ? [...proxies.values()] : [...proxies.values()].filter(({ name }) => names.has(name));
    const outcome = await this.#changeServers(asked, { mayShrink: names === 'all' });
    if (names === 'all') await this.#lookAfter(proxies);
    return { isReloaded: false, ...outcome };
  }

  async #changeLayout(proxies: Proxies, isRunning: boolean): Promise<ProgrammingOutcome> {
    const before = isRunning ? await this.#changeRunningServers(proxies) : [];
    const { text, layoutHash } = renderConfig(proxies.values(), this.#settings, (proxy) => this.#slotsOf(proxy));
    await this.#control.load(text, layoutHash);
    this.#staleSinceMs = undefined;
    this.#done.clear();
    const { commands } = await this.#changeServers([...proxies.values()], {});
    return { isReloaded: true, commands: [...before, ...commands], drifted: [] };
  }

  /** What cannot be changed now is changed after the reload. */
  async #changeRunningServers(proxies: Proxies): Promise<ServerCommand['type'][]> {
    await this.#read('all');
    const known = [...proxies.values()].filter(({ name }) => this.#states.has(name));
    const changes = known.flatMap((proxy) => this.#plan(proxy, false).commands);
    await this.#send(changes);
    const state = await this.#read('all');
    await this.#control.saveServersState(state);
    return changes.map(({ command }) => command.type);
  }

  async #changeServers(
    proxies: readonly LbProxy[],
    { mayShrink = false }: { mayShrink?: boolean },
  ): Promise<Omit<ProgrammingOutcome, 'isReloaded'>> {
    const sent: ServerCommand['type'][] = [];
    let drifted: string[] = [];
    let errors: string[] = [];
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      await this.#read(mayShrink ? 'all' : proxies.map(({ name }) => name));
      const plans = proxies.map((proxy) => ({ proxy, ...this.#plan(proxy, mayShrink) }));
      const changes = plans.flatMap(({ commands }) => commands);
      if (attempt === 0) drifted = plans.filter((plan) => this.#isDrift(plan)).map(({ proxy }) => proxy.name);
      if (changes.length === 0) {
        await this.#send(plans.flatMap(({ deletions }) => deletions));
        for (const proxy of proxies) this.#done.set(proxy.name, proxy.servers);
        return { commands: sent, drifted };
      }
      errors = await this.#send(changes);
      sent.push(...changes.map(({ command }) => command.type));
      this.#staleSinceMs ??= performance.now();
    }
    const reason = errors[0] ?? 'somebody else changes them at the same time';
    throw new SignalboxError('unavailable', `the servers do not become what they should: ${reason}`);
  }

  #isDrift({ proxy, commands }: { readonly proxy: LbProxy; readonly commands: readonly Backend[] }): boolean {
    return commands.length > 0 && this.#done.get(proxy.name) === proxy.servers;
  }

  #plan(proxy: LbProxy, mayShrink: boolean): { commands: Backend[]; deletions: Backend[] } {
    const { commands, deletions } = planServers(this.#states.get(proxy.name) ?? [], proxy.servers, { mayShrink });
    const of = (command: ServerCommand): Backend => ({ proxy, command });
    return { commands: commands.map(of), deletions: deletions.map(of) };
  }

  /** Returns the text that HAProxy reads back after a reload. */
  async #read(names: readonly string[] | 'all'): Promise<string> {
    const suffixes = names === 'all' ? [''] : names.map((name) => ` ${name}`);
    if (suffixes.length === 0) return '';
    const answers = await this.#control.ask(suffixes.map((suffix) => `show servers state${suffix}`));
    if (names === 'all') this.#states.clear();
    for (const answer of answers) {
      for (const [name, servers] of parseServersState(answer)) this.#states.set(name, servers);
    }
    return answers[0] ?? '';
  }

  /** Returns HAProxy's complaints. */
  async #send(changes: readonly Backend[]): Promise<string[]> {
    if (changes.length === 0) return [];
    const answers = await this.#control.ask(changes.map(({ proxy, command }) => renderCommand(proxy, command)));
    return answers.flatMap((answer) => errorOfAnswer(answer) ?? []);
  }

  async #lookAfter(proxies: Proxies): Promise<void> {
    const [stat = ''] = await this.#control.ask(['show stat -1 4 -1']);
    this.#details = parseCheckDetails(stat);
    for (const name of this.#done.keys()) if (!proxies.has(name)) this.#done.delete(name);
    if (this.#staleSinceMs === undefined || performance.now() - this.#staleSinceMs < CONFIG_MAX_AGE_MS) return;
    await this.#control.writeConfig(
      renderConfig(proxies.values(), this.#settings, (proxy) => this.#slotsOf(proxy)).text,
    );
    this.#staleSinceMs = undefined;
  }

  /** As they are; for a backend that does not run yet: its servers, and free slots. */
  #slotsOf(proxy: LbProxy): Slot[] {
    const states = this.#states.get(proxy.name);
    if (states !== undefined) return states.map((state) => ({ ...state, isDisabled: state.admin !== 'ready' }));
    return Array.from({ length: slotCount(proxy.servers.length) }, (_, i): Slot => {
      const server = proxy.servers[i];
      const name = `s${i + 1}`;
      if (server === undefined) return { name, ...NOWHERE, checkPort: NOWHERE.port, weight: 1, isDisabled: true };
      return { name, ...server, isDisabled: server.admin !== 'ready' };
    });
  }
}
