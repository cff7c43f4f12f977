/**
 * Which Pods have come through their readiness gate: all their targets are healthy, says the load balancer. Pure state.
 *
 * A gate is opened once for each Pod and address, and never closed again: a load balancer that fails must not take Pods
 * out of their cluster.
 */
import {
  type TargetGroup,
  type TargetGroupKey,
  type TargetGroupReport,
  type TargetGroupSet,
  type TargetGroupSetKey,
  targetGroupReportSubject,
  targetGroupSetSubject,
} from '@signalbox/contracts';
import type { Write } from './write.ts';

/** In `spec.readinessGates[].conditionType` of a Pod, followed by the name of its Service. */
export const GATE_PREFIX = 'target-health.signalbox.dev/';

interface GatedSet {
  readonly key: TargetGroupSetKey;
  readonly set: TargetGroupSet;
}

type Health = TargetGroupReport['targets'][number];

export class GateBook {
  /** Those whose Service has readiness gates, by subject. */
  readonly #sets = new Map<string, GatedSet>();
  /** By subject of the report, then by address and port. */
  readonly #reports = new Map<string, ReadonlyMap<string, Health>>();
  /** `subject pod address` of the gates that are open. */
  readonly #open = new Set<string>();

  /** Undefined: the Service has left the class. */
  applySet(key: TargetGroupSetKey, set: TargetGroupSet | undefined): void {
    const subject = targetGroupSetSubject(key);
    const groups = set?.groups.filter(({ hasReadinessGate }) => hasReadinessGate === true) ?? [];
    if (set === undefined || groups.length === 0) this.#sets.delete(subject);
    else this.#sets.set(subject, { key, set: { ...set, groups } });
    this.#forgetOthers(subject, groups);
  }

  clearSets(): void {
    this.#sets.clear();
  }

  applyReport(key: TargetGroupKey, report: TargetGroupReport | undefined): void {
    const subject = targetGroupReportSubject(key);
    if (report === undefined) this.#reports.delete(subject);
    else this.#reports.set(subject, new Map(report.targets.map((target) => [placeOf(target), target])));
  }

  /** Gates to open, each told once; `forget` brings one back. */
  takeWrites(): { cluster: string; write: Write }[] {
    return [...this.#sets].flatMap(([subject, gated]) => {
      const pods = new Set(gated.set.groups.flatMap(({ targets }) => targets.flatMap(({ pod }) => pod ?? [])));
      return [...pods].flatMap((pod) => {
        const sinceMs = this.#healthySinceMs(gated, pod);
        const gate = gateOf(subject, pod, gated.set.groups);
        if (sinceMs === undefined || this.#open.has(gate)) return [];
        this.#open.add(gate);
        return [{ cluster: gated.key.cluster, write: writeOf(gated.key, pod, sinceMs) }];
      });
    });
  }

  /** Undefined unless every target of the Pod, in every group, is healthy. */
  #healthySinceMs({ key, set }: GatedSet, pod: string): number | undefined {
    let newest = 0;
    for (const group of set.groups) {
      const reported = this.#reports.get(targetGroupReportSubject({ ...key, port: portOf(group) }));
      for (const target of group.targets.filter((each) => each.pod === pod && each.state !== 'gone')) {
        const health = reported?.get(placeOf(target));
        if (health?.health !== 'healthy') return undefined;
        newest = Math.max(newest, health.sinceMs);
      }
    }
    return newest === 0 ? undefined : newest;
  }

  #forgetOthers(subject: string, groups: readonly TargetGroup[]): void {
    const pods = new Set(groups.flatMap(({ targets }) => targets.flatMap(({ pod }) => pod ?? [])));
    const kept = new Set([...pods].map((pod) => gateOf(subject, pod, groups)));
    for (const gate of this.#open) if (gate.startsWith(`${subject} `) && !kept.has(gate)) this.#open.delete(gate);
  }
}

/** With the addresses, because a Pod of a StatefulSet comes back under its name, with its gate closed. */
function gateOf(subject: string, pod: string, groups: readonly TargetGroup[]): string {
  const addresses = groups.flatMap(({ targets }) =>
    targets.filter((target) => target.pod === pod && target.state !== 'gone'),
  );
  return `${subject} ${pod} ${[...new Set(addresses.map(({ address }) => address))].sort().join()}`;
}

function placeOf({ address, port }: { address: string; port: number }): string {
  return `${address} ${port}`;
}

/** `80/TCP`, the end of the group's id. */
function portOf({ port, protocol }: TargetGroup): string {
  return `${port}/${protocol}`;
}

function writeOf({ namespace, name }: TargetGroupSetKey, pod: string, sinceMs: number): Write {
  return {
    type: 'condition',
    object: { namespace, name: pod },
    condition: {
      type: `${GATE_PREFIX}${name}`,
      status: 'True',
      reason: 'TargetsHealthy',
      message: 'the load balancer finds all targets of this Pod healthy',
      // The API keeps whole seconds.
      lastTransitionTime: new Date(sinceMs).toISOString().replace(/\.\d+Z$/, 'Z'),
    },
  };
}
