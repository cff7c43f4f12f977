/** One object of the API, cut down and checked. Equal input at an equal time gives an equal result. */
import type { SourceObject } from '../source.ts';
import type { KindResource } from './resources.ts';

/** What an object is called within its kind; `namespace` is empty for cluster-wide kinds. */
export interface ObjectIdentity {
  readonly namespace: string;
  readonly name: string;
}

export type ReadObject =
  | { readonly type: 'object'; readonly identity: ObjectIdentity; readonly value: SourceObject }
  | UnreadableObject;

/** Left out, with the reason; without an identity when not even its name could be read. */
export interface UnreadableObject {
  readonly type: 'unreadable';
  readonly identity: ObjectIdentity | undefined;
  readonly resourceVersion: string;
  readonly reason: string;
}

const TRIGGER_TIME_ANNOTATION = 'endpoints.kubernetes.io/last-change-trigger-time';

/** `object` is taken as it came from JSON; items of a list carry no kind, so the caller's kind is filled in. */
export function readObject(resource: KindResource, object: unknown, nowMs: number): ReadObject {
  const metadata = metadataOf(object);
  const parsed = resource.schema.safeParse(isRecord(object) ? { kind: resource.kind, ...object } : object);
  const identity = identityOf(metadata);
  if (!parsed.success || identity === undefined) {
    const issue = parsed.error?.issues[0];
    const reason = issue === undefined ? 'no name' : `${issue.path.join('.')}: ${issue.message}`;
    return { type: 'unreadable', identity, resourceVersion: textOf(metadata.resourceVersion), reason };
  }
  const value = {
    resourceVersion: textOf(metadata.resourceVersion),
    changedAtMs: changedAtMs(metadata, nowMs),
    object: parsed.data,
  };
  return { type: 'object', identity, value };
}

export function identityOf(metadata: Record<string, unknown>): ObjectIdentity | undefined {
  const { name } = metadata;
  return typeof name === 'string' && name !== '' ? { namespace: textOf(metadata.namespace), name } : undefined;
}

/** Metadata of anything: empty where there is none. */
export function metadataOf(object: unknown): Record<string, unknown> {
  return isRecord(object) && isRecord(object.metadata) ? object.metadata : {};
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

/** The trigger time is the controller's clock; a time that has not come yet is not believed. */
function changedAtMs(metadata: Record<string, unknown>, nowMs: number): number {
  const annotations = isRecord(metadata.annotations) ? metadata.annotations : {};
  const triggered = Date.parse(textOf(annotations[TRIGGER_TIME_ANNOTATION]));
  return triggered > 0 && triggered <= nowMs ? triggered : nowMs;
}
