/** `signalbox node-agent` as users run it: a process of its own, against NATS. */
import { openJetStreamEventLog } from '@signalbox/event-log';
import { describe, expect, test } from 'vitest';
import { waitFor } from '../harness/event-log-tail.ts';
import { natsServerMissing, startNatsServer } from '../harness/nats-server.ts';
import { CLI, signalbox, startProcess } from '../harness/signalbox.ts';
import { closeSockets, freePort, tcpClient, tcpEndpoint } from '../harness/socket-endpoints.ts';
import { acked, CLUSTER, lastAck, NODE, put, putWorld, startPlane, theService, theSlice } from './agent-world.ts';

const missing = natsServerMissing();

describe.skipIf(missing !== undefined)(`signalbox node-agent${missing === undefined ? '' : ` (${missing})`}`, () => {
  test('balances in userspace, says so in its health and its acknowledgement, and ends when asked to', async () => {
    const server = await startNatsServer();
    const log = await openJetStreamEventLog({ servers: server.url, name: 'plane', maxBytes: 64 * 1024 ** 2 });
    const plane = await startPlane(log);
    const endpoint = await tcpEndpoint('127.0.0.2');
    const [nodePort, healthPort, proxyHealthPort] = [await freePort(), await freePort(), await freePort()];
    const health = ['--health-listen', `127.0.0.1:${healthPort}`];
    const proxyHealth = ['--proxy-health-listen', `127.0.0.1:${proxyHealthPort}`];
    const who = ['--nats', server.url, '--cluster', CLUSTER, '--node', NODE, '--backend', 'userspace'];
    const agent = startProcess([CLI, 'node-agent', ...who, ...health, ...proxyHealth]);
    try {
      await agent.waitFor(/"started"/);
      const ports = [{ name: 'http', port: 80, nodePort }];
      await putWorld(log);
      const slice = {
        ...theSlice([endpoint.address]),
        ports: [{ name: 'http', port: endpoint.port, protocol: 'TCP' as const }],
      };
      const ack = await acked(log, await put(log, theService({ type: 'NodePort', ports }), slice));
      expect(ack).toMatchObject({ backend: 'userspace', node: NODE });
      await waitFor('the node port to lead to the endpoint', async () => {
        return (await tcpClient('127.0.0.1', nodePort).line()) === endpoint.address;
      });
      expect((await fetch(`http://127.0.0.1:${healthPort}/readyz`)).status).toBe(200);
      expect((await fetch(`http://127.0.0.1:${proxyHealthPort}/healthz`)).status).toBe(200);
      // Open connections would be waited for.
      closeSockets();
      expect((await agent.stop()).code).toBe(0);
      expect((await signalbox(['node-agent', '--cleanup', ...who])).code).toBe(0);
      expect(await lastAck(log)).toBeUndefined();
    } finally {
      await agent.stop();
      closeSockets();
      await plane.stop();
      await log.close();
      await server.stop();
    }
  });

  test.for([
    { args: ['--backend', 'nonsense'], complaint: /Allowed choices/ },
    { args: ['--full-resync', '0'], complaint: /whole number/ },
    { args: ['--service-cidr', '10.96.0.0'], complaint: /not a network/ },
    { args: ['--detect-local-mode', 'Guess'], complaint: /Allowed choices/ },
    { args: ['--observe', 'nobody'], complaint: /Allowed choices/ },
    { args: ['--cleanup', '--detect-local-mode', 'BridgeInterface'], complaint: /not the name of an interface/ },
    { args: ['--cleanup', '--node-port-addresses', 'first'], complaint: /not a node port address/ },
  ])('refuses $args', async ({ args, complaint }) => {
    const { code, stdout, stderr } = await signalbox(['node-agent', ...args]);
    expect([code, stdout + stderr]).toEqual([2, expect.stringMatching(complaint)]);
  });
});
