/** What the zones need of the objects stream itself: names that no record set has. */
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type LogObject,
  type ObjectKey,
  type ObjectMessage,
  parseObjectSubject,
  podObjectSchema,
} from '@signalbox/contracts';
import type { ServiceContext } from '@signalbox/kit';
import { podLabel, type ZoneIndex } from '@signalbox/zones';

type Place = Pick<ObjectKey, 'cluster' | 'namespace' | 'name'>;

/** One kind of objects, and where they go. */
export interface ObjectTarget {
  readonly kind: 'Namespace' | 'Pod';
  /** What was put there. */
  known(): Place[];
  /** Undefined: it is gone. */
  put(place: Place, object: LogObject | undefined): void;
}

const RETRY_MS = 1000;

export function namespacesOf(index: Pick<ZoneIndex, 'namespaces' | 'setNamespace'>): ObjectTarget {
  return {
    kind: 'Namespace',
    known: () => index.namespaces().map(({ cluster, namespace }) => ({ cluster, namespace: '', name: namespace })),
    put: ({ cluster, name }, object) => index.setNamespace(cluster, name, object !== undefined),
  };
}

export function podsOf(index: Pick<ZoneIndex, 'pods' | 'setPod'>): ObjectTarget {
  return {
    kind: 'Pod',
    known: () => index.pods(),
    put: ({ cluster, namespace, name }, object) => {
      const pod = podObjectSchema.safeParse(object).data;
      index.setPod(cluster, { namespace, name }, pod && podLabel(pod));
    },
  };
}

/** Until stopped. A follow that ends is begun anew, and what has gone meanwhile is found missing. */
export async function followObjects(
  context: ServiceContext,
  target: ObjectTarget,
  { signal, onCaughtUp }: { signal: AbortSignal; onCaughtUp: () => void },
): Promise<void> {
  while (!signal.aborted && context.log.state !== 'closed') {
    await followOnce(context, target, { signal, onCaughtUp }).catch((err: unknown) => {
      context.logger.warn({ err, kind: target.kind }, 'objects lost');
    });
    await sleep(RETRY_MS, undefined, { signal }).catch(() => {});
  }
}

async function followOnce(
  { log }: ServiceContext,
  target: ObjectTarget,
  { signal, onCaughtUp }: { signal: AbortSignal; onCaughtUp: () => void },
): Promise<void> {
  let missing = new Map(target.known().map((place) => [placeText(place), place]));
  const filter = `objects.*.${target.kind}.>`;
  for await (const batch of log.follow('objects', { from: 'snapshot', filter, signal })) {
    for (const { subject, data } of batch.messages) {
      const place = parseObjectSubject(subject);
      target.put(place, data === null ? undefined : (JSON.parse(data) as ObjectMessage).object);
      missing.delete(placeText(place));
    }
    if (!batch.isCaughtUp) continue;
    for (const place of missing.values()) target.put(place, undefined);
    missing = new Map();
    onCaughtUp();
  }
}

function placeText({ cluster, namespace, name }: Place): string {
  return `${cluster}/${namespace}/${name}`;
}
