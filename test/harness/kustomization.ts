/**
 * Reads a kustomization as `kubectl kustomize` would, limited to what deploy/kubernetes uses: resources (files, folders),
 * ConfigMaps from files (their names without the hash of their contents), components, replicas, images, JSON 6902 `replace`
 * and `add` at targets by kind and name or one label. Anything else in a kustomization.yaml throws, so that it cannot be
 * overlooked.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';

export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: ManifestMetadata;
  /** Of a ConfigMap. */
  readonly data?: Readonly<Record<string, string>>;
  readonly spec?: ManifestSpec;
  readonly rules?: readonly unknown[];
  readonly roleRef?: { readonly name: string };
  readonly subjects?: readonly { readonly name: string; readonly namespace: string }[];
}

export type Labels = Readonly<Record<string, string>>;

interface ManifestMetadata {
  readonly name: string;
  readonly namespace?: string;
  readonly labels?: Labels;
}

export interface Selector {
  readonly matchLabels?: Labels;
}

/** What tests read, of every kind that has a spec. */
interface ManifestSpec {
  /** A Service's is labels, all others' a selector. */
  readonly selector?: unknown;
  readonly podSelector?: Selector;
  readonly ports?: readonly { readonly targetPort: string }[];
  readonly ingress?: readonly { readonly ports?: readonly { readonly port: string }[] }[];
  /** Of a PodDisruptionBudget. */
  readonly unhealthyPodEvictionPolicy?: string;
  readonly template?: PodTemplate;
  replicas?: number;
}

export interface PodTemplate {
  readonly metadata: { readonly labels: Labels };
  readonly spec: PodSpec;
}

export interface PodSpec {
  readonly serviceAccountName: string;
  readonly automountServiceAccountToken: boolean;
  readonly hostNetwork?: boolean;
  readonly hostPID?: boolean;
  readonly securityContext: { readonly seccompProfile: unknown; readonly fsGroup?: number };
  readonly containers: readonly Container[];
  readonly volumes?: readonly Volume[];
}

interface Volume {
  readonly name: string;
  readonly configMap?: { readonly name: string };
  readonly secret?: { readonly secretName: string; readonly defaultMode: number };
}

export interface Container {
  image: string;
  readonly args: readonly string[];
  readonly ports?: readonly { readonly name: string }[];
  readonly env?: readonly EnvVariable[];
  readonly envFrom?: readonly {
    readonly configMapRef?: { readonly name: string };
    readonly secretRef?: { readonly name: string };
  }[];
  readonly volumeMounts?: readonly { readonly name: string; readonly mountPath: string }[];
  readonly startupProbe: Probe;
  readonly livenessProbe: Probe;
  readonly readinessProbe: Probe;
  readonly resources: unknown;
  readonly securityContext: { readonly capabilities: unknown };
}

interface EnvVariable {
  readonly name: string;
  readonly value?: string;
  readonly valueFrom?: { readonly secretKeyRef?: { readonly name: string; readonly key: string } };
}

interface Probe {
  readonly httpGet: { readonly port: string };
}

interface Kustomization {
  readonly apiVersion: string;
  readonly kind: string;
  readonly resources?: readonly string[];
  readonly configMapGenerator?: readonly {
    readonly name: string;
    readonly namespace: string;
    readonly files: readonly string[];
    readonly options: { readonly labels: Labels };
  }[];
  readonly replicas?: readonly { readonly name: string; readonly count: number }[];
  readonly images?: readonly { readonly name: string; readonly newName?: string; readonly newTag?: string }[];
  readonly components?: readonly string[];
  readonly patches?: readonly { readonly target: Target; readonly patch: string }[];
}

interface Target {
  /** One, or several with `|` between them. */
  readonly kind: string;
  readonly name?: string;
  /** `name=value`. */
  readonly labelSelector?: string;
}

interface Operation {
  readonly op: string;
  readonly path: string;
  readonly value: unknown;
}

const FIELDS = ['apiVersion', 'kind', 'resources', 'configMapGenerator', 'components', 'replicas', 'images', 'patches'];

export function readKustomization(folder: string): Manifest[] {
  return build(folder, []);
}

/** What the folder adds to what is there, and changes in it: a component changes what came before it. */
function build(folder: string, manifests: Manifest[]): Manifest[] {
  const kustomization = parseAll(readFileSync(join(folder, 'kustomization.yaml'), 'utf8'))[0] as Kustomization;
  const unknownField = Object.keys(kustomization).find((field) => !FIELDS.includes(field));
  if (unknownField !== undefined)
    throw new Error(`${folder}: kustomization field ${unknownField} is not read by this test`);
  for (const name of kustomization.resources ?? []) manifests.push(...readResource(join(folder, name)));
  for (const { name, namespace, files, options } of kustomization.configMapGenerator ?? []) {
    const data = Object.fromEntries(files.map((file) => [file, readFileSync(join(folder, file), 'utf8')]));
    manifests.push({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name, namespace, labels: options.labels },
      data,
    });
  }
  for (const name of kustomization.components ?? []) build(join(folder, name), manifests);
  for (const { name, count } of kustomization.replicas ?? []) setReplicas(manifests, name, count);
  for (const image of kustomization.images ?? []) setImage(manifests, image);
  for (const { target, patch } of kustomization.patches ?? []) {
    for (const manifest of targetsOf(manifests, target)) change(manifest, parseAll(patch).flat() as Operation[]);
  }
  return manifests;
}

function readResource(path: string): Manifest[] {
  if (existsSync(join(path, 'kustomization.yaml'))) return readKustomization(path);
  return parseAll(readFileSync(path, 'utf8')) as Manifest[];
}

/** Every document of a YAML text. */
export function parseAll(text: string): unknown[] {
  return parseAllDocuments(text).map((document) => document.toJS() as unknown);
}

function targetsOf(manifests: readonly Manifest[], { kind, name, labelSelector }: Target): Manifest[] {
  const [label = '', value] = labelSelector?.split('=') ?? [];
  const fits = manifests.filter(
    (one) =>
      kind.split('|').includes(one.kind) &&
      (name === undefined || one.metadata.name === name) &&
      (labelSelector === undefined || one.metadata.labels?.[label] === value),
  );
  if (fits.length === 0) throw new Error(`no manifest is ${kind} ${name ?? ''} ${labelSelector ?? ''}`);
  return fits;
}

function setReplicas(manifests: readonly Manifest[], name: string, count: number): void {
  for (const { spec } of targetsOf(manifests, { kind: 'Deployment', name }))
    if (spec !== undefined) spec.replicas = count;
}

function setImage(
  manifests: readonly Manifest[],
  { name, newName = name, newTag }: { name: string; newName?: string; newTag?: string },
): void {
  const containers = manifests.flatMap(({ spec }) => spec?.template?.spec.containers ?? []);
  const fits = containers.filter(({ image }) => image === name);
  if (fits.length === 0) throw new Error(`no container has the image ${name}`);
  for (const container of fits) container.image = newTag === undefined ? newName : `${newName}:${newTag}`;
}

function change(manifest: Manifest, operations: readonly Operation[]): void {
  for (const { op, path, value } of operations) {
    const keys = path.slice(1).split('/');
    const last = keys.pop() ?? '';
    let parent = { ...manifest } as Record<string, unknown>;
    for (const key of keys) parent = parent[key] as Record<string, unknown>;
    if (op === 'add' && Array.isArray(parent) && last === '-') parent.push(value);
    else if ((op === 'add' && !Array.isArray(parent)) || (op === 'replace' && Object.hasOwn(parent, last))) {
      parent[last] = value;
    } else throw new Error(`cannot ${op} ${path} of ${manifest.kind}`);
  }
}
