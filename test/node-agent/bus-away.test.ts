/** The event log goes away and comes back: rules stay, changes follow, the acknowledgement catches up. On a real nats-server. */
import { openJetStreamEventLog } from '@signalbox/event-log';
import { expect, test } from 'vitest';
import { startNatsServer } from '../harness/nats-server.ts';
import { NetworkLab } from '../packets/network-lab.ts';
import { describeWithPrograms } from '../packets/requirements.ts';
import {
  acked,
  FIRST_POD,
  put,
  putWorld,
  SECOND_POD,
  SERVICE_IP,
  startAgent,
  startPlane,
  theSlice,
} from './agent-world.ts';

describeWithPrograms('a node agent on NATS', ['ip', 'nft', 'nats-server'], () => {
  test('keeps its rules while the bus is away, and follows when it is back', async () => {
    const lab = new NetworkLab('agent-bus');
    const server = await startNatsServer();
    const open = (name: string) => openJetStreamEventLog({ servers: server.url, name, maxBytes: 64 * 1024 ** 2 });
    const [planeLog, agentLog] = [await open('plane'), await open('agent')];
    await lab.open();
    const plane = await startPlane(planeLog);
    const agent = await startAgent(agentLog, lab);
    const endpoints = async (): Promise<readonly string[]> =>
      (await lab.probe({ from: 'client', protocol: 'tcp', host: SERVICE_IP, port: 80, times: 12 })).endpoints;
    try {
      await acked(planeLog, await putWorld(planeLog));
      await server.kill();
      expect(await endpoints()).toEqual([FIRST_POD]);
      expect(agent.readiness().isReady).toBe(true);
      await server.restart();
      await acked(planeLog, await put(planeLog, theSlice([SECOND_POD])));
      expect(await endpoints()).toEqual([SECOND_POD]);
    } finally {
      await agent.stop();
      await plane.stop();
      await Promise.all([planeLog.close(), agentLog.close()]);
      await server.stop();
      lab.close();
    }
  });
});
