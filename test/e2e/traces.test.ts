/** One change is one trace: from the watcher over the workers to everybody who applies it, each a process of its own. */
import { randomBytes } from 'node:crypto';
import { cp, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startReceiver, type WebhookReceiver } from '../haproxy/webhook-receiver.ts';
import { type NatsServer, natsServerMissing, startNatsServer } from '../harness/nats-server.ts';
import { type OtlpReceiver, type ReceivedSpan, startOtlpReceiver } from '../harness/otlp-receiver.ts';
import { ROOT, type RunningProcess, startProcess, temporaryFolder } from '../harness/signalbox.ts';

const POLL = { timeout: 30_000, interval: 50 };
const missing = natsServerMissing();

describe.skipIf(missing !== undefined)(`traces${missing === undefined ? '' : ` (${missing})`}`, () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let nats: NatsServer;
  let collector: OtlpReceiver;
  let webhook: WebhookReceiver;
  const processes: RunningProcess[] = [];
  let readers: readonly RunningProcess[] = [];

  beforeAll(async () => {
    folder = await temporaryFolder();
    await cp(join(ROOT, 'examples/shop'), join(folder.path, 'shop'), { recursive: true });
    [nats, collector] = [await startNatsServer(), await startOtlpReceiver()];
    const secret = randomBytes(32);
    await writeFile(join(folder.path, 'secret'), `whsec_${secret.toString('base64')}\n`);
    webhook = await startReceiver(secret);
    launch('api-watcher', '--manifests', `shop=${join(folder.path, 'shop')}`);
    for (const worker of ['proxy-worker', 'dns-worker', 'lb-worker']) launch(worker);
    readers = [
      launch('api', '--listen', '127.0.0.1:0', '--store', join(folder.path, 'store.db')),
      launch('dns-server', '--listen', '127.0.0.1:0'),
      launch('node-agent', '--cluster', 'shop', '--node', 'node-a', '--backend', 'userspace', ...PRIVATE),
      launch('webhook-driver', '--url', webhook.url.href, '--secret-file', join(folder.path, 'secret'), ...LOOPBACK),
    ];
  });

  const PRIVATE = ['--proxy-health-listen', '127.0.0.1:0', '--userspace-listen', '127.0.0.1'];
  const LOOPBACK = ['--allow-private-targets'];

  afterAll(async () => {
    for (const each of processes) each.child.kill('SIGKILL');
    await Promise.all(processes.map(({ finished }) => finished));
    await Promise.all([nats?.stop(), collector?.close(), webhook?.close()]);
    await folder?.remove();
  });

  function launch(service: string, ...args: string[]): RunningProcess {
    const entry = [join(ROOT, 'services', service, 'dist/main.js'), '--health-listen', '127.0.0.1:0', ...args];
    const started = startProcess(entry, { SIGNALBOX_NATS: nats.url, OTEL_EXPORTER_OTLP_ENDPOINT: collector.url });
    processes.push(started);
    return started;
  }

  async function untilReady(reader: RunningProcess): Promise<void> {
    const [, health = ''] = await reader.waitFor(/"health":"([^"]+)"/);
    await expect.poll(async () => (await fetch(`${health}/readyz`)).status, POLL).toBe(200);
  }

  test('go from the change to those who apply it, with the revision that they reached', async () => {
    await Promise.all(readers.map((reader) => untilReady(reader)));
    await expect.poll(() => webhook.messages.length, POLL).toBeGreaterThan(0);
    const file = join(folder.path, 'shop/storefront.yaml');
    const text = await readFile(file, 'utf8');
    await writeFile(
      `${file}.new`,
      text
        .replace('10.96.10.2', '10.96.77.2')
        .replace(
          'externalTrafficPolicy: Local',
          'externalTrafficPolicy: Local\n  loadBalancerSourceRanges: [192.0.2.0/24]',
        ),
    );
    await rename(`${file}.new`, file);
    /** The first one of the Service is that of the start. */
    const spansOfChange = (): readonly ReceivedSpan[] => {
      const observed = collector.spans.filter(({ name, attributes }) => {
        return name === 'observe' && attributes['signalbox.subject']?.endsWith('.Service.shop.shop.storefront-public');
      });
      return collector.spans.filter(({ traceId }) => traceId === observed[1]?.traceId);
    };
    await expect
      .poll(() => [...new Set(spansOfChange().map(({ name }) => name))].sort(), POLL)
      .toEqual([
        'apply dns',
        'apply lb',
        'apply proxy',
        'decide lb',
        'derive dns',
        'derive lb',
        'derive proxy',
        'observe',
        'project derived',
        'project objects',
        'project targets',
      ]);
    const spans = spansOfChange();
    const root = spans.find(({ name }) => name === 'observe');
    const parentOf = (name: string) => {
      const { parentSpanId } = spans.find((span) => span.name === name) ?? {};
      return spans.find(({ spanId }) => spanId === parentSpanId)?.name;
    };
    expect(root?.parentSpanId).toBeUndefined();
    expect(['derive dns', 'apply dns', 'apply proxy', 'decide lb', 'apply lb'].map(parentOf)).toEqual([
      'observe',
      'derive dns',
      'derive proxy',
      'derive lb',
      'decide lb',
    ]);
    const revisions = spans
      .filter(({ name }) => name.startsWith('apply'))
      .map((span) => {
        return Number(span.attributes['signalbox.revision']);
      });
    expect(Math.min(...revisions)).toBeGreaterThan(0);
    expect(new Set(revisions).size).toBe(1);
    expect(new Set(spans.map(({ service }) => service)).size).toBe(8);
  });
});
