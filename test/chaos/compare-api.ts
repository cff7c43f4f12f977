/** What an API replica answers, and the rows of its SQLite file, against what a fresh list of the cluster derives to. */
import {
  LAYERS,
  type List,
  type RegistrationItem,
  type ServiceDetail,
  type ServiceSummary,
  SOURCE_KINDS,
} from '@signalbox/contracts';
import { listDocuments, listObjects, openStore } from '@signalbox/store';
import { assembleZones, zoneFileText } from '@signalbox/zones';
import { type ExpectedCluster, TTL_SECONDS } from '../harness/oracle.ts';
import { type Difference, differences, differencesByKey } from './differences.ts';
import type { ApiReplica } from './plane.ts';

const PAGE = 50;
const MAX_ROWS = 10_000;

export async function compareApi(
  { name, url }: ApiReplica,
  expected: ExpectedCluster,
  revision: number,
): Promise<Difference[]> {
  const summaries = await allPages<ServiceSummary>(`${url}/v1/services`);
  const names = (list: readonly { namespace: string; name: string }[]) =>
    list.map((service) => `${service.namespace}/${service.name}`);
  const found = differences(`${name} services`, names(expected.services), names(summaries));
  for (const service of expected.services) {
    const path = `/v1/clusters/${expected.name}/namespaces/${service.namespace}/services/${service.name}`;
    const { body: detail } = await get<ServiceDetail>(url + path);
    const skipped = LAYERS.flatMap((layer) => service[layer].skipped.map((one) => ({ ...one, layer })));
    const documents = [detail.plan, detail.records, detail.registrations].map((each) => each?.document ?? null);
    const wanted = LAYERS.map((layer) => service[layer].document ?? null);
    found.push(...differences(`${name} ${path}`, { wanted, skipped }, { wanted: documents, skipped: detail.skipped }));
  }
  const registrations = await allPages<RegistrationItem>(`${url}/v1/registrations`);
  const brief = (list: readonly Pick<RegistrationItem, 'id' | 'targets'>[]) =>
    list.map(({ id, targets }) => ({ id, targets }));
  const wanted = expected.services.flatMap(({ lb }) => lb.document?.registrations ?? []);
  found.push(...differences(`${name} registrations`, brief(wanted), brief(registrations)));
  const zone = await fetch(`${url}/v1/clusters/${expected.name}/zones/${expected.domain}?format=text`);
  return [...found, ...differences(`${name} zone`, zoneText(expected, revision), await zone.text())];
}

function zoneText({ domain, services }: ExpectedCluster, revision: number): string | undefined {
  const recordSets = services.flatMap(({ dns }) => dns.document ?? []);
  const zones = assembleZones({ domain, revision, ttlSeconds: TTL_SECONDS, recordSets });
  const [zone] = zones.filter(({ name }) => name === `${domain}.`);
  return zone && zoneFileText(zone);
}

/** Read beside the running API, as any SQLite client could. */
export async function compareRows(
  { name, store: path }: ApiReplica,
  expected: ExpectedCluster,
  revision: number,
): Promise<Difference[]> {
  const store = await openStore({ path });
  try {
    const [cluster, limit] = [expected.name, MAX_ROWS];
    const objects = SOURCE_KINDS.flatMap((kind) => listObjects(store, { kind, cluster, revision, limit }));
    const documents = LAYERS.flatMap((layer) => {
      const rows = listDocuments(store, { layer, cluster, revision, limit });
      return rows.map(({ key, document, skipped }): [string, unknown] => {
        return [`${layer} ${key.namespace}/${key.name}`, { document, skipped }];
      });
    });
    const keyOf = ({ kind, metadata }: { kind: string; metadata: { name: string; namespace?: string | undefined } }) =>
      `${kind} ${metadata.namespace ?? ''}/${metadata.name}`;
    const byKey = (list: ExpectedCluster['objects']) => new Map(list.map((object) => [keyOf(object), object]));
    return [
      ...differencesByKey(`${name} row`, byKey(expected.objects), byKey(objects.map(({ object }) => object))),
      ...differencesByKey(`${name} row`, expectedRows(expected), new Map(documents)),
    ];
  } finally {
    store.close();
  }
}

function expectedRows({ services }: ExpectedCluster): Map<string, unknown> {
  const rows = services.flatMap((service) =>
    LAYERS.flatMap((layer): [string, unknown][] => {
      const { document = null, skipped } = service[layer];
      if (document === null && skipped.length === 0) return [];
      return [[`${layer} ${service.namespace}/${service.name}`, { document, skipped }]];
    }),
  );
  return new Map(rows);
}

async function allPages<Item>(url: string): Promise<Item[]> {
  const items: Item[] = [];
  for (let next: string | null = ''; next !== null; ) {
    const query: string = next === '' ? `?limit=${PAGE}` : `?limit=${PAGE}&next=${next}`;
    const { body } = await get<List<Item>>(url + query);
    items.push(...body.items);
    next = body.next;
  }
  return items;
}

async function get<Body>(url: string): Promise<{ body: Body }> {
  const response = await fetch(url);
  if (response.status !== 200) throw new Error(`${url} answered ${response.status}: ${await response.text()}`);
  return { body: (await response.json()) as Body };
}
