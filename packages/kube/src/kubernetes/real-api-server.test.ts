/**
 * The same against a real API server: set SIGNALBOX_TEST_KUBECONFIG to a kubeconfig whose current context may list and
 * watch the four kinds, and create Services in the namespace `default`.
 */
import { CoreV1Api, DiscoveryV1Api, KubeConfig } from '@kubernetes/client-node';
import { SOURCE_KINDS, type SourceKind } from '@signalbox/contracts';
import { expect, test } from 'vitest';
import { afterTest, MemorySink, waitFor, waitForState } from '../../../../test/reflector/harness.ts';
import { kubernetesSource } from './kubernetes-source.ts';

const kubeconfig = process.env.SIGNALBOX_TEST_KUBECONFIG ?? '';
const reason = kubeconfig === '' ? ' (skipped: SIGNALBOX_TEST_KUBECONFIG is not set)' : '';

async function startReal(pageSize: number): Promise<MemorySink> {
  const source = kubernetesSource({ cluster: 'real', domain: 'cluster.local', kubeconfig, pageSize });
  const sink = new MemorySink();
  await source.start(sink);
  afterTest(() => source.stop());
  for (const kind of SOURCE_KINDS) await waitForState(sink, kind, 'watching');
  return sink;
}

/** `namespace/name` of each object, as the client library lists them. */
async function listNames(config: KubeConfig, kind: SourceKind): Promise<string[]> {
  const core = config.makeApiClient(CoreV1Api);
  const lists = {
    Service: () => core.listServiceForAllNamespaces(),
    EndpointSlice: () => config.makeApiClient(DiscoveryV1Api).listEndpointSliceForAllNamespaces(),
    Node: () => core.listNode(),
    Namespace: () => core.listNamespace(),
    Pod: () => core.listPodForAllNamespaces(),
  };
  const { items } = await lists[kind]();
  return items.map(({ metadata }) => `${metadata?.namespace ?? ''}/${metadata?.name}`).sort();
}

test.skipIf(reason !== '')(
  `a real API server: every kind as listed, then changes${reason}`,
  { timeout: 60_000 },
  async () => {
    const config = new KubeConfig();
    config.loadFromFile(kubeconfig);
    const sink = await startReal(2);
    for (const kind of SOURCE_KINDS)
      expect(Object.keys(sink.state(kind)).sort()).toEqual(await listNames(config, kind));

    const core = config.makeApiClient(CoreV1Api);
    const name = `signalbox-test-${process.pid}`;
    const body = { metadata: { name }, spec: { ports: [{ port: 80 }] } };
    await core.createNamespacedService({ namespace: 'default', body });
    await waitFor(() => `default/${name}` in sink.state('Service'), 'the new Service');
    await core.deleteNamespacedService({ namespace: 'default', name });
    await waitFor(() => !(`default/${name}` in sink.state('Service')), 'the Service to go');
  },
);
