/** Files → one set of objects: duplicates settled, EndpointSlices derived. Equal files give equal objects. */
import { isDeepStrictEqual } from 'node:util';
import type { EndpointSliceObject, NodeObject, ServiceObject } from '@signalbox/contracts';
import { MissingSlicesDeriver } from '../endpoint-slices/derive-missing-slices.ts';
import { type PodObject, podOfLog } from '../endpoint-slices/pod.ts';
import type { SourceObject } from '../source.ts';
import { type ManifestProblem, placeText, refKey } from './manifest-problem.ts';
import type { ManifestFile, ManifestObject } from './parse-manifest.ts';

type AnyObject = SourceObject['object'];

export interface MergedManifests {
  /** By `refKey`, with derived EndpointSlices. Pods only where they are wanted. */
  readonly objects: ReadonlyMap<string, AnyObject>;
  readonly problems: readonly ManifestProblem[];
  readonly ignored: number;
}

interface MergeOptions {
  /** With the one of the time before, slices that did not change are the very same objects. */
  readonly deriver?: MissingSlicesDeriver;
  readonly withPods?: boolean;
}

export function mergeManifests(files: readonly ManifestFile[], options: MergeOptions = {}): MergedManifests {
  const { deriver = new MissingSlicesDeriver(), withPods = false } = options;
  const { first, duplicates } = firstOfEach(files.flatMap(({ objects }) => objects));
  const objects = new Map<string, AnyObject>();
  const byKind = { services: [] as ServiceObject[], slices: [] as EndpointSliceObject[], nodes: [] as NodeObject[] };
  const pods = new Map<PodObject, ManifestObject>();
  for (const [key, found] of first) {
    const { object } = found;
    if (object.kind === 'Pod') {
      pods.set(object, found);
      if (withPods) objects.set(key, podOfLog(object));
      continue;
    }
    objects.set(key, object);
    if (object.kind === 'Service') byKind.services.push(object);
    else if (object.kind === 'EndpointSlice') byKind.slices.push(object);
    else if (object.kind === 'Node') byKind.nodes.push(object);
  }
  const derived = deriver.derive({ ...byKind, pods: [...pods.keys()] });
  for (const slice of derived.slices) objects.set(refKey({ kind: slice.kind, ...slice.metadata }), slice);
  const withoutNode = [...derived.podsWithoutNode].flatMap(([pod, service]) =>
    problemOfPod(pods.get(pod), pod, service),
  );
  return {
    objects,
    problems: [...files.flatMap(({ problems }) => problems), ...duplicates, ...withoutNode],
    ignored: files.reduce((count, { ignored }) => count + ignored, 0),
  };
}

/** The first one wins. One that says the same is no problem: a dump and the pages it was made of may lie side by side. */
function firstOfEach(all: readonly ManifestObject[]): {
  first: Map<string, ManifestObject>;
  duplicates: ManifestProblem[];
} {
  const first = new Map<string, ManifestObject>();
  const duplicates: ManifestProblem[] = [];
  for (const candidate of all) {
    const key = refKey(candidate.ref);
    const known = first.get(key);
    if (known === undefined) first.set(key, candidate);
    else if (!isSame(known, candidate)) duplicates.push(duplicateOf(known, candidate));
  }
  return { first, duplicates };
}

function isSame(a: ManifestObject, b: ManifestObject): boolean {
  const isSameVersion = a.recordedVersion !== '' && a.recordedVersion === b.recordedVersion;
  return isSameVersion || isDeepStrictEqual(a.object, b.object);
}

function duplicateOf(known: ManifestObject, { place, ref }: ManifestObject): ManifestProblem {
  const where = `${placeText(known.place)} (document ${known.place.document ?? 1})`;
  return {
    ...place,
    object: ref,
    reason: `is also in ${where} with other content; that one is used, rename or remove this one`,
  };
}

function problemOfPod(found: ManifestObject | undefined, pod: PodObject, service: ServiceObject): ManifestProblem[] {
  if (found === undefined) return [];
  const { namespace, name } = service.metadata;
  const node = pod.spec.nodeName === '' ? 'spec.nodeName is missing' : `there is no Node "${pod.spec.nodeName}"`;
  const reason = `${node}, so this Pod is no endpoint of Service ${namespace}/${name}`;
  return [{ ...found.place, object: found.ref, reason }];
}
