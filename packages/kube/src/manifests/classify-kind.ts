/** Which documents are read, which are Kubernetes' but none of our business, and which are a mistake. */

import type { ManifestKind } from './manifest-problem.ts';

export type KindClass =
  | { readonly type: 'read'; readonly kind: ManifestKind }
  | { readonly type: 'list'; readonly itemKind: string | undefined }
  | { readonly type: 'ignored' }
  | { readonly type: 'problem'; readonly reason: string };

const API_VERSIONS: Readonly<Record<ManifestKind, string>> = {
  Service: 'v1',
  EndpointSlice: 'discovery.k8s.io/v1',
  Node: 'v1',
  Namespace: 'v1',
  Pod: 'v1',
};
const READ_KINDS = Object.keys(API_VERSIONS) as ManifestKind[];

/** The core group is closed: new kinds go to other groups, so a kind of `v1` that is not here is a misspelling. */
const OTHER_CORE_KINDS = [
  'Binding',
  'ComponentStatus',
  'ConfigMap',
  'Endpoints',
  'Event',
  'LimitRange',
  'PersistentVolume',
  'PersistentVolumeClaim',
  'PodTemplate',
  'ReplicationController',
  'ResourceQuota',
  'Secret',
  'ServiceAccount',
];

/**
 * Decides by group first, because other groups may have kinds of the same name (Knative's Service):
 *
 *     group of a read kind     its kind in the read version → read; another version → problem; XList → list
 *     core, discovery.k8s.io   other legal kinds → ignored; any other kind → problem
 *     any other group          ignored, unless it is a slip of the pen of a group above
 */
export function classifyKind(kind: string, apiVersion: string | undefined): KindClass {
  if (apiVersion === undefined) return { type: 'problem', reason: missingVersionReason(kind) };
  const group = groupOf(apiVersion);
  if (group !== '' && group !== 'discovery.k8s.io') return classifyForeign(group);
  if (kind.endsWith('List') && !kind.endsWith('ListList')) return classifyList(kind, apiVersion);
  if (isReadKind(kind) && groupOf(API_VERSIONS[kind]) === group) {
    if (apiVersion === API_VERSIONS[kind]) return { type: 'read', kind };
    const reason = `apiVersion "${apiVersion}" of ${kind} is not read; convert it to ${API_VERSIONS[kind]}`;
    return { type: 'problem', reason };
  }
  if (group === '' && OTHER_CORE_KINDS.includes(kind)) return { type: 'ignored' };
  return { type: 'problem', reason: unknownKindReason(kind, apiVersion) };
}

/** A plain `List` leaves it to its items to say what they are. */
function classifyList(kind: string, apiVersion: string): KindClass {
  const itemKind = kind.slice(0, -'List'.length);
  if (itemKind === '') return { type: 'list', itemKind: undefined };
  const itemClass = classifyKind(itemKind, apiVersion);
  return itemClass.type === 'problem' ? itemClass : { type: 'list', itemKind };
}

function isReadKind(kind: string): kind is ManifestKind {
  return Object.hasOwn(API_VERSIONS, kind);
}

function groupOf(apiVersion: string): string {
  return apiVersion.includes('/') ? apiVersion.slice(0, apiVersion.indexOf('/')) : '';
}

function classifyForeign(group: string): KindClass {
  if (editDistance(group, 'discovery.k8s.io') > 2) return { type: 'ignored' };
  return { type: 'problem', reason: `unknown API group "${group}"; did you mean discovery.k8s.io?` };
}

function missingVersionReason(kind: string): string {
  if (!isReadKind(kind)) return unknownKindReason(kind, undefined);
  return `apiVersion is missing; a ${kind} has "apiVersion: ${API_VERSIONS[kind]}"`;
}

function unknownKindReason(kind: string, apiVersion: string | undefined): string {
  const read = READ_KINDS.join(', ');
  const near = nearestKind(kind);
  const advice = near === undefined ? `kinds read: ${read}` : `did you mean ${near}? Kinds read: ${read}`;
  const where = apiVersion === undefined ? ' without apiVersion' : ` in ${shorten(apiVersion)}`;
  return `unknown kind "${shorten(kind)}"${where}; ${advice}`;
}

/** Two letters may be wrong, in a short name one. */
function nearestKind(kind: string): string | undefined {
  const [nearest] = [...READ_KINDS, ...OTHER_CORE_KINDS]
    .map((known) => ({ known, distance: editDistance(kind, known) }))
    .filter(({ known, distance }) => distance <= Math.min(2, known.length / 3))
    .sort((a, b) => a.distance - b.distance);
  if (nearest === undefined) return undefined;
  return isReadKind(nearest.known) ? `${nearest.known} (apiVersion: ${API_VERSIONS[nearest.known]})` : nearest.known;
}

function shorten(text: string): string {
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}

/** Levenshtein distance without regard to case; of texts whose lengths differ by more than 2 only that it is large. */
function editDistance(a: string, b: string): number {
  if (Math.abs(a.length - b.length) > 2) return Number.POSITIVE_INFINITY;
  const target = b.toLowerCase();
  let row = Array.from({ length: target.length + 1 }, (_, i) => i);
  for (const [i, char] of a.toLowerCase().split('').entries()) {
    const next = [i + 1];
    for (const [j, other] of target.split('').entries()) {
      const [left = 0, up = 0, diagonal = 0] = [next[j], row[j + 1], row[j]];
      next.push(Math.min(left + 1, up + 1, diagonal + Number(char !== other)));
    }
    row = next;
  }
  return row.at(-1) ?? 0;
}
