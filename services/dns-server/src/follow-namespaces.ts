/** Which namespaces there are, from the objects stream: the zones need them for names that have no Service. */
import { setTimeout as sleep } from 'node:timers/promises';
import { parseObjectSubject } from '@signalbox/contracts';
import type { ServiceContext } from '@signalbox/kit';
import type { ZoneIndex } from '@signalbox/zones';

type Namespaces = Pick<ZoneIndex, 'namespaces' | 'setNamespace'>;

const RETRY_MS = 1000;
const NAMESPACES = 'objects.*.Namespace.>';

/** Until stopped. A follow that ends is begun anew, and what has gone meanwhile is found missing. */
export async function followNamespaces(context: ServiceContext, index: Namespaces, signal: AbortSignal): Promise<void> {
  while (!signal.aborted && context.log.state !== 'closed') {
    await followOnce(context, index, signal).catch((err: unknown) => {
      context.logger.warn({ err }, 'namespaces lost');
    });
    await sleep(RETRY_MS, undefined, { signal }).catch(() => {});
  }
}

async function followOnce({ log }: ServiceContext, index: Namespaces, signal: AbortSignal): Promise<void> {
  let missing = new Map(index.namespaces().map((known) => [`${known.cluster}/${known.namespace}`, known]));
  for await (const batch of log.follow('objects', { from: 'snapshot', filter: NAMESPACES, signal })) {
    for (const { subject, data } of batch.messages) {
      const { cluster, name } = parseObjectSubject(subject);
      index.setNamespace(cluster, name, data !== null);
      missing.delete(`${cluster}/${name}`);
    }
    if (!batch.isCaughtUp) continue;
    for (const { cluster, namespace } of missing.values()) index.setNamespace(cluster, namespace, false);
    missing = new Map();
  }
}
