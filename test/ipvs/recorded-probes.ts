/** What a real kube-proxy did with the recorded cluster on node-a (test/fixtures/kube-proxy-1.36), and where IPVS differs. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ClientProbes, Probe, ProbeResult } from './guest/messages.ts';

/** One probe as recorded: the client, where it connected to, and what all of its connections met. */
export interface RecordedProbe {
  readonly id: string;
  readonly from: string;
  /** `address:port`, IPv6 addresses in brackets. */
  readonly to: string;
  readonly proto: 'tcp' | 'udp';
  readonly repeat?: number;
  readonly outcome: string;
  readonly sources: readonly string[];
  readonly backends: readonly string[];
  /** With session affinity: one of the candidates, and always the same. */
  readonly sticky?: boolean;
  readonly candidates?: readonly string[];
}

/** A recorded client → the host of the lab that it is on, and its address there. */
const CLIENTS: Readonly<Record<string, { readonly host: string; readonly v4?: string; readonly v6?: string }>> = {
  client: { host: 'client', v4: '10.244.1.100', v6: 'fd00:244:1::64' },
  node: { host: 'node' },
  ext: { host: 'ext', v4: '192.0.2.10', v6: '2001:db8::10' },
  ext2: { host: 'ext', v4: '198.51.100.10' },
  hair: { host: 'hair', v4: '10.244.1.18', v6: 'fd00:244:1::12' },
};
/** Round robin needs no more to reach a few endpoints twice. */
const TIMES_MIN = 6;
const TIMES_MAX = 24;

export function recordedProbes(root: string): RecordedProbe[] {
  const path = join(root, 'test/fixtures/kube-proxy-1.36/rules-nftables.json');
  return JSON.parse(readFileSync(path, 'utf8')) as RecordedProbe[];
}

/** Where IPVS does as kube-proxy does in its IPVS mode, which is not what it did in the recorded nftables mode. */
const IPVS_DIFFERENCES: readonly {
  readonly why: string;
  readonly ids: RegExp;
  readonly expected: Partial<RecordedProbe>;
}[] = [
  {
    why: 'a virtual server without real servers refuses; it cannot drop',
    ids: /^client>10\.96\.1\.14:80/,
    expected: { outcome: 'refused' },
  },
  {
    why: 'IPVS does not tell clients apart: without local endpoints it forwards, for the sake of pods of the node',
    ids: /^ext>(10\.240\.0\.1:3008[26]|203\.0\.113\.13:80)/,
    expected: { outcome: 'ok', sources: ['192.0.2.10'], backends: ['10.244.2.14:8080', '10.244.3.12:8080'] },
  },
  {
    why: 'the same from another client',
    ids: /^ext2>203\.0\.113\.13:80/,
    expected: { outcome: 'ok', sources: ['198.51.100.10'], backends: ['10.244.2.14:8080', '10.244.3.12:8080'] },
  },
  {
    why: 'nor with local endpoints, which pods and the node get as well',
    ids: /^(client|node)>10\.240\.0\.1:30095/,
    expected: { backends: ['10.244.1.15:8080'] },
  },
  {
    why: 'source ranges are checked of what the node receives, not of what it sends',
    ids: /^node>203\.0\.113\.11:80/,
    expected: { outcome: 'ok', sources: ['10.240.0.1'], backends: ['10.244.1.12:8080', '10.244.2.12:8080'] },
  },
  {
    why: 'load-balancer addresses are addresses of the node here, and their other ports are rejected',
    ids: /^ext>203\.0\.113\.17:9999/,
    expected: { outcome: 'refused' },
  },
  {
    why: 'a client keeps its endpoint for as long as any of its connections is remembered, longer than the timeout',
    ids: /~expire$/,
    expected: { sticky: true, candidates: ['10.244.1.11:8080', '10.244.2.11:8080', '10.244.3.11:8080'] },
  },
];

export function expectedOfIpvs(recorded: RecordedProbe): RecordedProbe {
  const difference = IPVS_DIFFERENCES.find(({ ids }) => ids.test(recorded.id));
  return { ...recorded, ...difference?.expected };
}

/** By host, because hosts send at the same time; each its probes in order. */
export function probesByHost(recorded: readonly RecordedProbe[]): ClientProbes[] {
  const byHost = new Map<string, Probe[]>();
  for (const each of recorded) {
    const client = CLIENTS[each.from];
    if (client === undefined) throw new Error(`nothing is known of the client ${each.from}`);
    byHost.set(client.host, [...(byHost.get(client.host) ?? []), probeOf(each, client)]);
  }
  return [...byHost].map(([client, probes]) => ({ client, probes }));
}

function probeOf(recorded: RecordedProbe, client: { readonly v4?: string; readonly v6?: string }): Probe {
  const { id, to, proto, backends, repeat = TIMES_MAX } = recorded;
  const [, host = '', port = ''] = /^\[?(.*?)\]?:(\d+)$/.exec(to) ?? [];
  const source = host.includes(':') ? client.v6 : client.v4;
  const times = Math.min(repeat, TIMES_MAX, Math.max(TIMES_MIN, 2 * backends.length));
  return { id, proto, host, port: Number(port), times, ...(source === undefined ? {} : { source }) };
}

/** Undefined when the result is as recorded; else what is wrong with it. */
export function differenceOf(recorded: RecordedProbe, result: ProbeResult): string | undefined {
  const { outcome, sources, backends } = recorded;
  if (result.outcomes.join() !== outcome) return `met ${result.outcomes.join()}, not ${outcome}`;
  if (outcome !== 'ok') return undefined;
  if (result.sources.join() !== sources.join()) return `came from ${result.sources.join()}, not ${sources.join()}`;
  if (recorded.sticky === true) {
    const isOne = result.backends.length === 1 && recorded.candidates?.includes(result.backends[0] ?? '') === true;
    return isOne ? undefined : `reached ${result.backends.join()}, not one of ${recorded.candidates?.join()}`;
  }
  // Of many endpoints a random choice was recorded: any share of them will do.
  const isSame =
    backends.length > TIMES_MAX / 2
      ? result.backends.length >= TIMES_MAX / 2
      : result.backends.join() === backends.join();
  return isSame ? undefined : `reached ${result.backends.join()}, not ${backends.join()}`;
}
