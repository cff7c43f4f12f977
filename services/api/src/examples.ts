/** Examples of the OpenAPI document: one small service of one cluster, seen from every route. */
import type {
  Cluster,
  ConsumerStatus,
  Convergence,
  Intent,
  LayerProgress,
  LeaseStatus,
  LoadBalancerIntentItem,
  LoadBalancerSummary,
  Node,
  NodeDrift,
  NodeDriftSummary,
  NodeRules,
  PodEnv,
  PodResolution,
  PodResolvConf,
  RegistrationItem,
  Revision,
  RevisionDetail,
  ServiceDetail,
  ServiceSummary,
  TargetGroupDetail,
  TargetGroupItem,
  Token,
  WithdrawnRecord,
  ZoneDetail,
  ZoneSummary,
} from '@signalbox/contracts';

const at = '2026-03-01T08:00:00.000Z';
const service = { cluster: 'shop-eu', namespace: 'shop', name: 'web' } as const;
const port = { name: 'http', protocol: 'TCP' as const, port: 80, nodePort: 30_080 };

export const clusterExample: Cluster = {
  name: 'shop-eu',
  domain: 'cluster.local',
  source: 'kubernetes',
  isSynced: true,
  missingLayers: [],
  kinds: [{ kind: 'Service', state: 'watching', message: '', objects: 1, skipped: 0, since: at }],
  counts: { services: 1, endpointSlices: 1, nodes: 1, namespaces: 2 },
};

export const serviceSummaryExample: ServiceSummary = {
  ...service,
  revision: 40,
  type: 'LoadBalancer',
  clusterIPs: ['10.96.0.20'],
  externalAddresses: ['203.0.113.7'],
  ports: [port],
  labels: { app: 'web' },
  isSynced: true,
  endpoints: { ready: 1, total: 1 },
  layers: { proxy: 42, dns: 42, lb: 41 },
};

export const registrationExample: RegistrationItem = {
  cluster: 'shop-eu',
  namespace: 'shop',
  service: 'web',
  revision: 41,
  id: 'shop-eu/shop/web:80/TCP',
  loadBalancerClass: '',
  portName: 'http',
  protocol: 'TCP',
  port: 80,
  addresses: ['203.0.113.7'],
  hostnames: [],
  sourceRanges: [],
  healthCheck: { type: 'tcp', port: 30_080 },
  targets: [{ type: 'node', address: '192.0.2.11', port: 30_080, node: 'node-1', weight: 1, state: 'active' }],
};

const addressRecord = {
  type: 'A' as const,
  name: 'web.shop.svc.cluster.local.',
  ttlSeconds: 30,
  address: '10.96.0.20',
};

export const serviceDetailExample: ServiceDetail = {
  revision: 42,
  summary: serviceSummaryExample,
  service: {
    kind: 'Service',
    metadata: { name: 'web', namespace: 'shop', labels: { app: 'web' }, annotations: undefined },
    spec: {
      type: 'LoadBalancer',
      clusterIPs: ['10.96.0.20'],
      ports: [{ ...port, targetPort: 8080 }],
      selector: { app: 'web' },
      sessionAffinity: 'None',
    },
    status: { loadBalancer: { ingress: [{ ip: '203.0.113.7' }] } },
  },
  endpoints: [
    {
      slice: 'web-x7k2p',
      revision: 42,
      addressType: 'IPv4',
      addresses: ['10.244.1.5'],
      ready: true,
      serving: true,
      terminating: false,
      node: 'node-1',
      target: 'Pod/web-5c9f',
      ports: [{ name: 'http', protocol: 'TCP', port: 8080 }],
    },
  ],
  plan: {
    revision: 42,
    changedAt: at,
    document: {
      ...service,
      type: 'LoadBalancer',
      clusterIPs: ['10.96.0.20'],
      externalIPs: [],
      loadBalancerVIPs: ['203.0.113.7'],
      loadBalancerSourceRanges: [],
      externalTrafficPolicy: 'Cluster',
      internalTrafficPolicy: 'Cluster',
      ports: [
        {
          ...port,
          endpoints: [
            {
              address: '10.244.1.5',
              family: 'IPv4',
              port: 8080,
              ready: true,
              serving: true,
              terminating: false,
              node: 'node-1',
            },
          ],
        },
      ],
    },
  },
  records: { revision: 42, changedAt: at, document: { ...service, records: [addressRecord] } },
  registrations: null,
  skipped: [{ layer: 'lb', path: 'spec.externalIPs[0]', reason: 'not an IP address' }],
};

export const nodeExample: Node = {
  cluster: 'shop-eu',
  name: 'node-1',
  revision: 12,
  zone: 'eu-west-1a',
  addresses: [{ type: 'InternalIP', address: '192.0.2.11' }],
  podCIDRs: ['10.244.1.0/24'],
  isReady: true,
  isSchedulable: true,
  agent: { backend: 'nftables', revision: 42, appliedAt: at, lag: 0, error: '', skippedServices: 0 },
};

export const rulesExample: NodeRules = {
  cluster: 'shop-eu',
  node: 'node-1',
  backend: 'nftables',
  family: 'both',
  revision: 42,
  text: 'table ip signalbox {\n}\n',
  skipped: [],
};

export const consumerExample: ConsumerStatus = {
  layer: 'dns',
  cluster: 'shop-eu',
  consumer: 'dns-1/192.0.2.53:53',
  kind: 'dns-server',
  revision: 42,
  appliedAt: at,
  lag: 0,
  error: '',
  skippedServices: 0,
};

export const driftSummaryExample: NodeDriftSummary = {
  cluster: 'shop-eu',
  node: 'node-1',
  backend: 'nftables',
  owner: 'signalbox',
  revision: 42,
  totals: { added: 0, missing: 1, changed: 0 },
  unreadable: 0,
  repaired: true,
  error: '',
  checkedAt: at,
};
export const driftExample: NodeDrift = {
  ...driftSummaryExample,
  differences: [
    {
      family: 'IPv4',
      service: 'shop/web:http',
      what: 'missing',
      where: 'nat',
      at: 'tcp 10.96.0.20:80',
      expected: '10.244.1.5:8080',
      actual: '',
    },
  ],
};

export const zoneSummaryExample: ZoneSummary = { cluster: 'shop-eu', name: 'cluster.local.', serial: 42, records: 5 };
export const zoneDetailExample: ZoneDetail = {
  cluster: 'shop-eu',
  name: 'cluster.local.',
  serial: 42,
  revision: 42,
  records: [addressRecord],
};
export const zoneTextExample = 'web.shop.svc.cluster.local.\t30\tIN\tA\t10.96.0.20\n';

const inNamespace = { cluster: 'shop-eu', namespace: 'shop', revision: 42 } as const;
const searches = ['shop.svc.cluster.local', 'svc.cluster.local', 'cluster.local'];
export const podEnvExample: PodEnv = {
  ...inNamespace,
  variables: [{ name: 'WEB_SERVICE_HOST', value: '10.96.0.20', service: 'shop/web' }],
  skipped: [],
};
export const podResolvConfExample: PodResolvConf = {
  ...inNamespace,
  nameservers: ['10.96.0.10'],
  searches,
  options: ['ndots:5'],
  text: `search ${searches.join(' ')}\nnameserver 10.96.0.10\noptions ndots:5\n`,
  skipped: [],
};
export const podResolutionExample: PodResolution = {
  ...inNamespace,
  name: 'web',
  type: 'A',
  searches,
  ndots: 5,
  isFound: true,
  steps: [
    {
      name: addressRecord.name,
      searchDomain: 'shop.svc.cluster.local',
      outcome: 'answer',
      records: [{ record: addressRecord, origins: [{ ...service, revision: 42 }] }],
    },
  ],
};

export const intentExample: Intent = {
  revision: 42,
  changedAt: at,
  intent: {
    kind: 'DnsRecords',
    metadata: { name: 'www' },
    spec: { name: 'www.example.com', type: 'A', values: ['203.0.113.7'], ttlSeconds: 60 },
  },
};

export const revisionExample: Revision = {
  revision: 42,
  at,
  operation: 'updated',
  kind: 'EndpointSlice',
  cluster: 'shop-eu',
  namespace: 'shop',
  name: 'web-x7k2p',
};
const progressExample: LayerProgress = {
  layer: 'proxy',
  isDerived: true,
  revision: 42,
  convergedRevision: 42,
  isConverged: true,
  consumers: { total: 12, applied: 12, lagging: 0, failing: 0 },
  behind: [],
  skippedServices: 0,
};
const layersExample: LayerProgress[] = [
  progressExample,
  {
    ...progressExample,
    layer: 'dns',
    convergedRevision: 41,
    isConverged: false,
    consumers: { total: 2, applied: 1, lagging: 1, failing: 0 },
    behind: [
      {
        cluster: 'shop-eu',
        consumer: 'dns-1/192.0.2.53:53',
        kind: 'dns-server',
        revision: 41,
        behindBy: 1,
        appliedAt: at,
        error: '',
      },
    ],
  },
  {
    ...progressExample,
    layer: 'lb',
    isDerived: false,
    revision: 41,
    convergedRevision: 41,
    isConverged: false,
    consumers: { total: 0, applied: 0, lagging: 0, failing: 0 },
  },
];
export const revisionDetailExample: RevisionDetail = { ...revisionExample, layers: layersExample };
export const convergenceExample: Convergence = { revision: 42, head: 42, layers: layersExample };

export const readinessExample = { isReady: true, missing: [], revision: 42 };

export const withdrawnRecordExample: WithdrawnRecord = {
  name: 'web.shop.svc.cluster.local.',
  type: 'A',
  data: '10.244.1.5',
  ttlSeconds: 30,
  cluster: 'shop-eu',
  namespace: 'shop',
  service: 'web',
  isNameGone: false,
  withdrawnRevision: 41,
  withdrawnAt: at,
  state: 'ttl',
  servedBy: [],
  heldUntil: '2026-03-01T08:00:30.000Z',
};

export const leaseExample: LeaseStatus = {
  loadBalancerClass: 'example.com/f5',
  holder: 'f5-a',
  epoch: 3,
  state: 'held',
  acquiredAt: at,
  renewedAt: at,
  expiresAt: '2026-03-01T08:00:15.000Z',
};

export const loadBalancerExample: LoadBalancerSummary = {
  loadBalancerClass: 'example.com/f5',
  index: 118,
  groups: 1,
  targets: { pending: 0, active: 1, draining: 0, gone: 0 },
  programmed: 1,
  failing: 0,
  unhealthyTargets: 0,
  lease: leaseExample,
  isPaused: false,
};

const groupTarget = {
  type: 'node',
  address: '192.0.2.11',
  port: 30_080,
  cluster: 'shop-eu',
  node: 'node-1',
  weight: 1,
  state: 'active',
  reason: 'ready',
  sinceMs: 1_772_352_000_000,
} as const;

export const targetGroupExample: TargetGroupItem = {
  ...registrationExample,
  loadBalancerClass: 'example.com/f5',
  index: 118,
  targets: [groupTarget],
};

export const reportExample: NonNullable<TargetGroupDetail['report']> = {
  controller: 'f5-a',
  index: 118,
  revision: 41,
  programmedAt: at,
  error: '',
  reportedAt: at,
  isCurrent: true,
};

export const targetGroupDetailExample: TargetGroupDetail = {
  ...targetGroupExample,
  targets: [
    {
      ...groupTarget,
      why: 'gets traffic: the cluster wants it and it is ready',
      health: { health: 'healthy', since: at },
    },
  ],
  report: reportExample,
};

export const addressExample: LoadBalancerIntentItem = {
  revision: 43,
  changedAt: at,
  intent: {
    kind: 'LoadBalancerAddress',
    metadata: { name: 'shop.web.shop-eu' },
    spec: { service, ingress: [{ ip: '203.0.113.7' }], source: 'controller:f5-a' },
  },
};

export const tokenExample: Token = {
  name: 'f5',
  scope: 'integrate',
  classes: ['example.com/f5'],
  createdAt: at,
  expiresAt: null,
  isExpired: false,
  revision: 44,
};
