/**
 * Server-side apply on the status of Services and Pods, as far as Signalbox uses it: `status.loadBalancer.ingress` is one
 * field with one owner (it is an atomic list), `status.conditions` one field for each type. Not held to a recording: the
 * rules and the error's form are those of the API's documentation.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import { applyConflict, NOT_FOUND, objectMissing, refusal, type StatusAnswer } from './api-bodies.ts';
import { send } from './faulty-body.ts';
import { KINDS } from './kinds.ts';
import type { ApiObject, ObjectStore } from './object-store.ts';

export interface StatusPatch {
  readonly path: string;
  readonly manager: string;
  readonly body: AppliedStatus;
}

interface AppliedStatus {
  readonly status: {
    readonly loadBalancer?: { readonly ingress?: readonly object[] };
    readonly conditions?: readonly { readonly type: string }[];
  };
}

const PATH = /^\/api\/v1\/namespaces\/([^/]+)\/(services|pods)\/([^/]+)\/status$/;

export class StatusPatches {
  readonly #store: ObjectStore;
  /** Of the ingress of each Service that was applied: who owns it, and what it was then. */
  readonly #owners = new Map<string, { manager: string; text: string }>();
  readonly #pods = new Map<string, Map<string, object>>();

  constructor(store: ObjectStore) {
    this.#store = store;
  }

  addPod(namespace: string, name: string): void {
    this.#pods.set(`${namespace}/${name}`, new Map());
  }

  conditions(namespace: string, name: string): object[] {
    return [...(this.#pods.get(`${namespace}/${name}`)?.values() ?? [])];
  }

  answer({ path, manager, body }: StatusPatch): StatusAnswer {
    const [, namespace = '', resource, name = ''] = PATH.exec(path) ?? [];
    if (resource === 'services') return this.#applyIngress(`${namespace}/${name}`, manager, body);
    if (resource === 'pods') return this.#applyConditions(`${namespace}/${name}`, body);
    return NOT_FOUND;
  }

  #applyIngress(place: string, manager: string, { status }: AppliedStatus): StatusAnswer {
    const service = this.#store
      .list('Service')
      .find(({ metadata }) => `${metadata.namespace ?? ''}/${metadata.name}` === place);
    if (service === undefined) return objectMissing('services', place);
    const current = ingressOf(service);
    const owner = this.#ownerOf(place, current);
    const wanted = status.loadBalancer?.ingress;
    if (wanted === undefined && owner !== manager) return ok(service);
    if (wanted !== undefined && owner !== undefined && owner !== manager && JSON.stringify(wanted) !== current) {
      return applyConflict(owner, '.status.loadBalancer.ingress');
    }
    const ingress = wanted?.map((entry) => ('ip' in entry ? { ...entry, ipMode: 'VIP' } : entry));
    const loadBalancer = ingress === undefined ? {} : { ingress };
    this.#owners.set(place, { manager, text: JSON.stringify(ingress ?? []) });
    return ok(this.#store.put({ ...service, status: { ...(service.status as object), loadBalancer } }));
  }

  /** What was written by other means than an apply belongs to the one who wrote it. */
  #ownerOf(place: string, current: string): string | undefined {
    const known = this.#owners.get(place);
    if (known?.text === current) return known.manager;
    return current === '[]' ? undefined : 'other-controller';
  }

  #applyConditions(place: string, { status }: AppliedStatus): StatusAnswer {
    const pod = this.#pods.get(place);
    if (pod === undefined) return objectMissing('pods', place);
    for (const condition of status.conditions ?? []) pod.set(condition.type, condition);
    return ok({ kind: 'Pod', metadata: { name: place } });
  }
}

/** Reads patches from requests, and refuses as many as a test wants. */
export class PatchRequests {
  readonly done: StatusPatch[] = [];
  readonly #statuses: StatusPatches;
  #refusal = { code: 0, left: 0 };

  constructor(statuses: StatusPatches) {
    this.#statuses = statuses;
  }

  refuse(code: number, times: number): void {
    this.#refusal = { code, left: times };
  }

  async handle(request: IncomingMessage, response: ServerResponse, isAllowed: boolean): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://localhost');
    const body = JSON.parse(await text(request)) as AppliedStatus;
    if (!isAllowed || this.#refusal.left > 0) {
      this.#refusal.left -= 1;
      send(response, refusal(isAllowed ? this.#refusal.code : 401, KINDS.Service, 'list'));
      return;
    }
    const isApply = request.headers['content-type'] === 'application/apply-patch+yaml';
    if (!isApply || url.searchParams.get('force') !== 'false') throw new Error('only applies without force are known');
    const patch = { path: url.pathname, manager: url.searchParams.get('fieldManager') ?? '', body };
    const answer = this.#statuses.answer(patch);
    if (answer.code === 200) this.done.push(patch);
    send(response, answer);
  }
}

function ingressOf({ status }: ApiObject): string {
  const { loadBalancer } = (status ?? {}) as { loadBalancer?: { ingress?: readonly object[] } };
  return JSON.stringify(loadBalancer?.ingress ?? []);
}

function ok(object: object): StatusAnswer {
  return { code: 200, contentType: 'application/json', body: JSON.stringify(object), headers: {} };
}
