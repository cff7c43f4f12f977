/** One manifest file's text → its objects, cut down to what is read, and what had to be left out. Pure. */

import { isIP } from 'node:net';
import {
  endpointSliceObjectSchema,
  namespaceObjectSchema,
  nodeObjectSchema,
  serviceObjectSchema,
} from '@signalbox/contracts';
import type { z } from 'zod';
import { type PodObject, podObjectSchema } from '../endpoint-slices/pod.ts';
import type { SourceObject } from '../source.ts';
import { classifyKind } from './classify-kind.ts';
import type { ManifestKind, ManifestProblem, ObjectRef, Place } from './manifest-problem.ts';
import { type ManifestDocument, parseDocuments } from './parse-documents.ts';

export interface ManifestObject {
  readonly ref: ObjectRef;
  readonly place: Place;
  /** `uid resourceVersion` as an API server gave them; empty otherwise. Equal means: the same object at the same time. */
  readonly recordedVersion: string;
  readonly object: Exclude<SourceObject['object'], { kind: 'Pod' }> | PodObject;
}

export interface ManifestFile {
  readonly file: string;
  readonly objects: readonly ManifestObject[];
  /** Documents and list items of kinds that are not read. */
  readonly ignored: number;
  readonly problems: readonly ManifestProblem[];
}

const SCHEMAS = {
  Service: serviceObjectSchema,
  EndpointSlice: endpointSliceObjectSchema,
  Node: nodeObjectSchema,
  Namespace: namespaceObjectSchema,
  Pod: podObjectSchema,
} satisfies Record<ManifestKind, z.ZodType>;

const DEFAULT_NAMESPACE = 'default';
const MAX_LIST_DEPTH = 8;
/** Far below what any field that is read needs, and what the stack takes is far above. */
const MAX_FIELD_DEPTH = 64;
const MAX_ISSUES_SHOWN = 3;

export function parseManifest({ file, text }: { file: string; text: string }): ManifestFile {
  const { documents, broken } = parseDocuments(text);
  const objects: ManifestObject[] = [];
  const problems: ManifestProblem[] = broken.map((document) => ({ file, ...document }));
  let ignored = 0;
  for (const document of documents) {
    for (const item of itemsOf({ value: document.value, path: [], inherited: {} })) {
      const read = readItem(item, { file, document });
      if (read === 'ignored') ignored += 1;
      else if ('reason' in read) problems.push(read);
      else objects.push(read);
    }
  }
  return { file, objects, ignored, problems: problems.sort((a, b) => (a.document ?? 0) - (b.document ?? 0)) };
}

type Fields = Readonly<Record<string, unknown>>;

/** A value that should be an object, with its path in the document. */
interface Item {
  readonly value: unknown;
  readonly path: readonly PropertyKey[];
  /** What a typed list (ServiceList) says of items, which then do not say it themselves. */
  readonly inherited: { readonly kind?: string; readonly apiVersion?: string | undefined };
}

/** Lists opened; an empty document is nothing. */
function* itemsOf(item: Item, depth = 0): Generator<Item> {
  const { value, path } = item;
  if (value === null || value === undefined) return;
  if (!isFields(value) || depth >= MAX_LIST_DEPTH) return yield item;
  const { kind, apiVersion } = headOf(item);
  const kindClass = kind === undefined ? undefined : classifyKind(kind, apiVersion);
  const items = value.items ?? [];
  if (kindClass?.type !== 'list' || !Array.isArray(items)) return yield item;
  const { itemKind } = kindClass;
  const inherited = itemKind === undefined ? {} : { kind: itemKind, apiVersion };
  for (const [index, element] of items.entries()) {
    yield* itemsOf({ value: element, path: [...path, 'items', index], inherited }, depth + 1);
  }
}

function readItem(
  item: Item,
  { file, document }: { file: string; document: ManifestDocument },
): ManifestObject | ManifestProblem | 'ignored' {
  const place = (...path: PropertyKey[]) => placeOf({ file, document }, [...item.path, ...path]);
  if (!isFields(item.value))
    return { ...place(), reason: 'is not a Kubernetes object: a mapping with kind, apiVersion and metadata' };
  const { kind, apiVersion } = headOf(item);
  if (kind === undefined) return { ...place(), reason: 'kind is missing, so this is not a Kubernetes object' };
  const kindClass = classifyKind(kind, apiVersion);
  if (kindClass.type === 'ignored') return 'ignored';
  if (kindClass.type === 'problem') return { ...place('kind'), reason: kindClass.reason };
  if (kindClass.type === 'list')
    return { ...place('items'), reason: 'items is not a list, or lists are nested too deep' };
  const ref = refOf(kindClass.kind, item.value);
  if (ref === undefined) return { ...place('metadata'), reason: `metadata.name of this ${kind} is missing` };
  const parsed = SCHEMAS[ref.kind].safeParse(withDefaults(ref, item.value));
  if (parsed.success) {
    const found = document.hasLines ? place() : { file, document: document.document };
    return { ref, place: found, recordedVersion: recordedVersionOf(item.value), object: parsed.data };
  }
  const [first] = parsed.error.issues;
  return { ...place(...(first?.path ?? [])), object: ref, reason: issuesText(parsed.error.issues) };
}

function placeOf({ file, document }: { file: string; document: ManifestDocument }, path: PropertyKey[]): Place {
  const line = document.lineOf(path);
  return { file, document: document.document, ...(line !== undefined && { line }) };
}

function headOf({ value, inherited }: Item): { kind: string | undefined; apiVersion: string | undefined } {
  const { kind = inherited.kind, apiVersion = inherited.apiVersion } = value as Fields;
  return { kind: textOf(kind), apiVersion: textOf(apiVersion) };
}

function refOf(kind: ManifestKind, value: Fields): ObjectRef | undefined {
  const metadata = isFields(value.metadata) ? value.metadata : {};
  const name = textOf(metadata.name);
  if (name === undefined) return undefined;
  const hasNamespace = kind !== 'Node' && kind !== 'Namespace';
  return { kind, name, namespace: hasNamespace ? (textOf(metadata.namespace) ?? DEFAULT_NAMESPACE) : '' };
}

/** Only what an API server would have filled in and compilers read: the namespace, and a Service's address fields. */
function withDefaults({ kind, namespace }: ObjectRef, value: Fields): Fields {
  const object = withoutNulls(value) as { metadata: Fields; spec?: unknown };
  const metadata = namespace === '' ? object.metadata : { ...object.metadata, namespace };
  const spec = kind === 'Service' && isFields(object.spec) ? { spec: withAddressFields(object.spec) } : {};
  return { ...object, ...spec, kind, metadata };
}

/** `clusterIP` is the first of `clusterIPs`; `ipFamilies` are theirs. A headless Service may serve either family. */
function withAddressFields(spec: Fields): Fields {
  const clusterIPs: unknown = spec.clusterIPs ?? (textOf(spec.clusterIP) === undefined ? [] : [spec.clusterIP]);
  const families = Array.isArray(clusterIPs) ? clusterIPs.map((address) => isIP(String(address))) : [];
  const isKnown = spec.ipFamilies !== undefined || families.length === 0 || families.includes(0);
  return { ...spec, clusterIPs, ...(!isKnown && { ipFamilies: families.map((family) => `IPv${family}`) }) };
}

/** In Kubernetes a null field is an absent one. `managedFields` is left out here because it is most of an object. */
function withoutNulls(value: unknown, depth = 0): unknown {
  if (depth > MAX_FIELD_DEPTH) return value;
  if (Array.isArray(value)) return value.map((element) => withoutNulls(element, depth + 1));
  if (!isFields(value)) return value;
  const kept: Record<string, unknown> = {};
  for (const key of Object.keys(value)) {
    if (value[key] !== null && key !== 'managedFields' && key !== '__proto__')
      kept[key] = withoutNulls(value[key], depth + 1);
  }
  return kept;
}

function recordedVersionOf(value: Fields): string {
  const { uid, resourceVersion } = value.metadata as Fields;
  return textOf(uid) && textOf(resourceVersion) ? `${String(uid)} ${String(resourceVersion)}` : '';
}

function issuesText(issues: readonly z.core.$ZodIssue[]): string {
  const shown = issues.slice(0, MAX_ISSUES_SHOWN).map((issue) => `${pathText(issue.path)}: ${issueReason(issue)}`);
  const more = issues.length - shown.length;
  return shown.join('; ') + (more > 0 ? `; and ${more} more` : '');
}

/** A union says only that nothing fitted; what its members say is of use. */
function issueReason(issue: z.core.$ZodIssue): string {
  if (issue.code !== 'invalid_union') return issue.message;
  const reasons = issue.errors.flatMap(([first]) => (first === undefined ? [] : [first.message]));
  return reasons.length === 0 ? issue.message : [...new Set(reasons)].join(', or ');
}

/** As Kubernetes writes them: `spec.ports[0].port`. */
function pathText(path: readonly PropertyKey[]): string {
  return path
    .map((key) => (typeof key === 'number' ? `[${key}]` : `.${String(key)}`))
    .join('')
    .replace(/^\./, '');
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
