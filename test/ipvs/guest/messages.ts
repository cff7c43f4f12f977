/** Lines of JSON between the processes in the virtual machine, and from it to the test. */

export interface Probe {
  readonly id: string;
  readonly proto: 'tcp' | 'udp';
  readonly host: string;
  readonly port: number;
  /** Address to connect from, where the client has several. */
  readonly source?: string;
  readonly times: number;
}

/** What the connections of one probe met, each value once, sorted. */
export interface ProbeResult {
  readonly id: string;
  readonly outcomes: readonly string[];
  /** `address:port` that answered, as it sees itself. */
  readonly backends: readonly string[];
  /** Client addresses as the endpoints see them. */
  readonly sources: readonly string[];
}

/** What a host of the lab is asked, one at a time. It holds at most one connection open. */
export type HostCommand =
  | { readonly type: 'probe'; readonly probe: Probe }
  | { readonly type: 'open'; readonly host: string; readonly port: number }
  | { readonly type: 'say'; readonly text: string }
  | { readonly type: 'close' };

/** Probes of one client of the lab, in order. */
export interface ClientProbes {
  readonly client: string;
  readonly probes: readonly Probe[];
}

/** The programs' output, as the agent asks for it. */
export interface GuestListing {
  readonly family: 'IPv4' | 'IPv6';
  readonly state: 'loaded' | 'damaged';
  readonly ipvsadm: string;
  readonly ipset: string;
  readonly iptables: string;
}

export type GuestMessage =
  | { readonly type: 'step'; readonly text: string; readonly uptimeSeconds: number }
  | { readonly type: 'result'; readonly result: ProbeResult }
  /** Of a transition, in words; without a problem it went well. */
  | { readonly type: 'check'; readonly name: string; readonly problem?: string }
  | { readonly type: 'listing'; readonly listing: GuestListing }
  | { readonly type: 'end'; readonly error?: string };

/** One measurement of `npm run bench:ipvs`. */
export interface BenchRequest {
  readonly backend: string;
  readonly services: number;
  readonly changes: number;
}

/** What the measurement printed, or what is wrong. */
export type BenchAnswer =
  | { readonly request: BenchRequest; readonly stdout: string }
  | { readonly request: BenchRequest; readonly error: string };
