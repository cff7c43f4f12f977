/** One service: its choices of endpoints, and its listeners. */
import type { PlanEndpoint, ServiceKey } from '@signalbox/contracts';
import { errorText, serviceKeyText } from '@signalbox/contracts';
import type { Family, RulesNode, ServiceRules } from '@signalbox/rules';
import { EndpointChoice, type TrafficKind } from './endpoint-choice.ts';
import type { FlowTable } from './flow-table.ts';
import type { Listener } from './listener.ts';
import type { ListenerStatus } from './listener-status.ts';
import type { PortAllocator } from './port-allocator.ts';
import { rulesForAddress, type ServiceTarget } from './service-targets.ts';
import { isAllowedSource } from './source-ranges.ts';
import type { TcpConnections } from './tcp-connections.ts';
import { openTcpListener } from './tcp-listener.ts';
import { openUdpListener, type UdpFlow } from './udp-listener.ts';

/** What all services of a balancer share. */
export interface Shared {
  readonly listenHosts: readonly string[];
  readonly listenClusterIPs: boolean;
  readonly maxAffinityClients: number;
  readonly connectTimeoutMs: number;
  readonly now: () => number;
  readonly ports: PortAllocator;
  readonly connections: TcpConnections;
  readonly flows: FlowTable<UdpFlow>;
  readonly onDropped: () => void;
}

type Via = ListenerStatus['via'];

/** A place where a service port should listen, and what came of it. */
interface Place {
  readonly id: string;
  readonly via: Via;
  readonly address: string;
  readonly choice: EndpointChoice;
  rules: ServiceRules;
  target: ServiceTarget;
  port: number | undefined;
  listener: Listener | undefined;
  reason: string;
}

export class ServiceBalancer {
  readonly #service: string;
  readonly #shared: Shared;
  /** By service port and family: all places of a service port in one family share its turns and its clients' affinity. */
  readonly #choices = new Map<string, EndpointChoice>();
  readonly #places = new Map<string, Place>();

  constructor(key: ServiceKey, shared: Shared) {
    this.#service = serviceKeyText(key);
    this.#shared = shared;
  }

  /**
   * In effect for new connections and flows when it returns; places that are new still have to be opened. Flows to endpoints
   * that no longer serve end, so that their clients' next datagrams reach others (kube-proxy removes their conntrack entries).
   */
  update(targets: readonly ServiceTarget[], node: RulesNode): void {
    this.#updateChoices(targets, node);
    const wanted = new Map(targets.flatMap((target) => this.#placesOf(target)).map((place) => [place.id, place]));
    for (const [id, place] of this.#places) {
      const now = wanted.get(id);
      if (now === undefined || isElsewhere(place, now)) this.#remove(place);
    }
    for (const [id, place] of wanted) {
      const known = this.#places.get(id);
      if (known === undefined) this.#places.set(id, place);
      else Object.assign(known, { rules: place.rules, target: place.target });
    }
    this.#shared.flows.endWhere(({ owner, endpoint }) => {
      const place = [...this.#places.values()].find(({ listener }) => listener === owner);
      return place !== undefined && !place.target.serving.has(endpoint);
    });
  }

  /** Tries every place that does not listen. */
  async open(): Promise<void> {
    for (const place of this.#places.values()) if (place.listener === undefined) await this.#open(place);
  }

  status(): ListenerStatus[] {
    return [...this.#places.values()].map((place) => ({
      service: this.#service,
      portName: place.target.portName,
      protocol: place.rules.protocol,
      via: place.via,
      address: place.address,
      port: place.port,
      state: place.listener === undefined ? 'failed' : 'listening',
      reason: place.reason,
      endpointCount: place.choice.sizeFor(trafficOf(place.via)),
    }));
  }

  close(): void {
    for (const place of this.#places.values()) this.#remove(place);
  }

  #updateChoices(targets: readonly ServiceTarget[], node: RulesNode): void {
    const gone = new Set(this.#choices.keys());
    for (const target of targets) {
      for (const [family, rules] of target.rules) {
        const id = choiceId(target, family);
        gone.delete(id);
        const choice = this.#choices.get(id) ?? new EndpointChoice(this.#shared);
        choice.update(rules, node);
        this.#choices.set(id, choice);
      }
    }
    for (const id of gone) this.#choices.delete(id);
  }

  #placesOf(target: ServiceTarget): Place[] {
    const place = (via: Via, address: string, portOf: (rules: ServiceRules) => number | undefined): Place[] => {
      const rules = rulesForAddress(target, address);
      const choice = rules && this.#choices.get(choiceId(target, familyOf(target, rules)));
      if (rules === undefined || choice === undefined) return [];
      const id = `${target.id} ${via} ${address}`;
      return [{ id, via, address, choice, rules, target, port: portOf(rules), listener: undefined, reason: NOT_YET }];
    };
    const onHosts = this.#shared.listenHosts.flatMap((host) => {
      const isNodePort = rulesForAddress(target, host)?.nodePort !== undefined;
      return place(isNodePort ? 'node-port' : 'assigned', host, ({ nodePort }) => nodePort);
    });
    const own = (via: Via, addressesOf: (rules: ServiceRules) => readonly string[]): Place[] =>
      [...target.rules.values()].flatMap(addressesOf).flatMap((address) => place(via, address, ({ port }) => port));
    return [
      ...onHosts,
      ...own('external-ip', ({ externalIPs }) => externalIPs),
      ...own('load-balancer', ({ loadBalancerVIPs }) => loadBalancerVIPs),
      ...(this.#shared.listenClusterIPs ? own('cluster-ip', ({ clusterIPs }) => clusterIPs) : []),
    ];
  }

  async #open(place: Place): Promise<void> {
    if (place.rules.protocol === 'sctp') {
      place.reason = 'SCTP needs a kernel backend';
      return;
    }
    const attempts = place.via === 'assigned' ? ASSIGN_ATTEMPTS : 1;
    for (let attempt = 1; attempt <= attempts; attempt += 1) {
      const isDone = await this.#tryToOpen(place);
      if (isDone) return;
    }
  }

  /** True also when trying another port would not help. */
  async #tryToOpen(place: Place): Promise<boolean> {
    const port = place.via === 'assigned' ? this.#shared.ports.take(this.#ownerOf(place)) : place.port;
    if (port === undefined) {
      place.reason = 'no port of the range is free';
      return true;
    }
    place.port = port;
    try {
      const listener = await this.#listen(place, port);
      // Its service may have gone meanwhile.
      if (this.#places.get(place.id) === place) place.listener = listener;
      else listener.close();
      place.reason = '';
      return true;
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? error.code : undefined;
      place.reason = code === 'EADDRNOTAVAIL' ? `${place.address} is no address of this machine` : errorText(error);
      const isTaken = code === 'EADDRINUSE';
      if (place.via === 'assigned' && isTaken) this.#shared.ports.abandon(this.#ownerOf(place));
      return !isTaken;
    }
  }

  async #listen(place: Place, port: number): Promise<Listener> {
    const { address, choice, via } = place;
    const traffic = trafficOf(via);
    const choose = (client: string, tried: ReadonlySet<string> = NOTHING_TRIED): PlanEndpoint | undefined => {
      // The ranges are about the load balancer's addresses, whoever else knows the service by others.
      if (via === 'load-balancer' && !isAllowedSource(place.rules, client)) return undefined;
      return choice.next({ client, traffic, tried });
    };
    const open = place.rules.protocol === 'udp' ? openUdpListener : openTcpListener;
    return await open({ address, port }, { ...this.#shared, choose });
  }

  #remove(place: Place): void {
    place.listener?.close();
    if (place.via === 'assigned') this.#shared.ports.release(this.#ownerOf(place));
    this.#places.delete(place.id);
  }

  /** TCP and UDP of one port number are ports of their own, which is how one service gets both. */
  #ownerOf(place: Place): string {
    return `${this.#service} ${place.target.id} ${place.address}`;
  }
}

const NOT_YET = 'is about to be opened';
const NOTHING_TRIED: ReadonlySet<string> = new Set();
/** Ports in a row that may belong to other processes before it is given up for now. */
const ASSIGN_ATTEMPTS = 20;

function trafficOf(via: Via): TrafficKind {
  return via === 'assigned' || via === 'cluster-ip' ? 'internal' : 'external';
}

function choiceId(target: ServiceTarget, family: Family): string {
  return `${target.id} ${family}`;
}

function familyOf(target: ServiceTarget, wanted: ServiceRules): Family {
  return target.rules.get('IPv4') === wanted ? 'IPv4' : 'IPv6';
}

/** The family that serves the address may have changed, and with it the choice; a port of its own may have. */
function isElsewhere(known: Place, wanted: Place): boolean {
  const isOtherPort = wanted.via !== 'assigned' && known.port !== wanted.port;
  return isOtherPort || known.choice !== wanted.choice;
}
