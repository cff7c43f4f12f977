import { expect, test } from 'vitest';
import { startProxyHealthServer } from './proxy-health-server.ts';

const HEALTH = { state: { isLive: true, isHealthy: true, isNodeEligible: true, lastUpdatedMs: 0 } };

test('the default address answers on both families', async () => {
  const server = await startProxyHealthServer({ address: '0.0.0.0', port: 0 }, HEALTH);
  try {
    const { port } = new URL(server.url);
    const statuses = ['127.0.0.1', '[::1]'].map(async (host) => (await fetch(`http://${host}:${port}/livez`)).status);
    expect(await Promise.all(statuses)).toEqual([200, 200]);
  } finally {
    await server.close();
  }
});
