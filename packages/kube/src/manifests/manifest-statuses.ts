import type { SourceKind, SourceState, SourceStatus } from '@signalbox/contracts';
import type { Source, SourceObject } from '../source.ts';
import { type ManifestProblem, problemText } from './manifest-problem.ts';

export interface ManifestsState {
  readonly state: SourceState;
  /** What is wrong with the source as a whole; empty when nothing is. */
  readonly message: string;
  readonly objects: ReadonlyMap<string, SourceObject['object']>;
  readonly problems: readonly ManifestProblem[];
}

const MAX_PROBLEMS_SHOWN = 3;

/** Status of each kind. A problem that cannot be told to be of some kind counts in all: each may lack something. */
export function statusesOf(
  { cluster, kinds = [] }: Pick<Source, 'cluster' | 'kinds'>,
  { state, message, objects, problems }: ManifestsState,
): Omit<SourceStatus, 'sinceMs'>[] {
  const counts = new Map<SourceKind, number>();
  for (const { kind } of objects.values()) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  return kinds.map((kind) => {
    const ofKind = problems.filter(({ object }) => object === undefined || affectedKind(object.kind) === kind);
    return {
      cluster,
      kind,
      state,
      message: [...(message === '' ? [] : [message]), ...shown(ofKind)].join('; '),
      objects: counts.get(kind) ?? 0,
      skipped: ofKind.length,
      resourceVersion: '',
    };
  });
}

/** A Pod that is left out is missing in the slices derived from it. */
function affectedKind(kind: SourceKind): SourceKind {
  return kind === 'Pod' ? 'EndpointSlice' : kind;
}

function shown(problems: readonly ManifestProblem[]): string[] {
  const more = problems.length - MAX_PROBLEMS_SHOWN;
  return [
    ...problems.slice(0, MAX_PROBLEMS_SHOWN).map(problemText),
    ...(more > 0 ? [`and ${more} more problems`] : []),
  ];
}
