import type { SourceKind } from '@signalbox/contracts';

/** Kinds taken from manifests. Pods are read always, because EndpointSlices are derived from them. */
export type ManifestKind = SourceKind;

/** `namespace` is empty for Node and Namespace. */
export interface ObjectRef {
  readonly kind: ManifestKind;
  readonly namespace: string;
  readonly name: string;
}

/** Where something stands: the file, the document in it (from 1), the line where known. */
export interface Place {
  readonly file: string;
  readonly document?: number;
  readonly line?: number;
}

/** Something in the manifests that was left out; everything else was read. */
export interface ManifestProblem extends Place {
  /** Absent when the document could not be told to be any object: it may then hide objects of every kind. */
  readonly object?: ObjectRef;
  /** What is wrong and what to do, for people. */
  readonly reason: string;
}

/** One line, beginning with the place as editors and terminals link it: `shop.yaml:14: document 2, Service shop/web: …`. */
export function problemText(problem: ManifestProblem): string {
  const subject = [
    ...(problem.document === undefined ? [] : [`document ${problem.document}`]),
    ...(problem.object === undefined ? [] : [refText(problem.object)]),
  ].join(', ');
  return [placeText(problem), ...(subject === '' ? [] : [subject]), problem.reason].join(': ');
}

export function placeText({ file, line }: Place): string {
  return line === undefined ? file : `${file}:${line}`;
}

function refText({ kind, namespace, name }: ObjectRef): string {
  return namespace === '' ? `${kind} ${name}` : `${kind} ${namespace}/${name}`;
}

/** Equal for equal refs only: none of the parts can hold a slash. */
export function refKey({ kind, namespace, name }: ObjectRef): string {
  return `${kind}/${namespace}/${name}`;
}
