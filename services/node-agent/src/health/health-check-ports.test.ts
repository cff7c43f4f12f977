import { createServer } from 'node:http';
import { createLogger } from '@signalbox/kit';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { freePort } from '../../../../test/harness/socket-endpoints.ts';
import { aPlan } from '../../../../test/packets/a-plan.ts';
import { HealthCheckPorts } from './health-check-ports.ts';
import { type HttpServer, listenHttp } from './http-server.ts';

const logger = createLogger({ component: 'test', level: 'silent' });
const addresses = vi.fn(() => ['127.0.0.1']);
let checks: HealthCheckPorts;
let inTheWay: HttpServer | undefined;

beforeEach(() => {
  addresses.mockClear();
  checks = new HealthCheckPorts({ node: 'n1', addresses, isProxyHealthy: () => true, logger });
});
afterEach(async () => {
  await checks.close();
  await inTheWay?.close();
  inTheWay = undefined;
  vi.restoreAllMocks();
});

function note(name: string, healthCheckNodePort: number): void {
  const plan = aPlan({ name, healthCheckNodePort });
  checks.note([{ key: plan, plan }]);
}

test('the addresses of the machine are asked for once, and not at all while there is nothing to answer for', async () => {
  await checks.publish();
  expect(addresses).toHaveBeenCalledTimes(0);
  note('web', await freePort());
  note('api', await freePort());
  await checks.publish();
  expect(addresses).toHaveBeenCalledTimes(1);
});

test('a port that is taken is told once, tried again, and told when it is lost again', async () => {
  const warn = vi.spyOn(logger, 'warn');
  const port = await freePort();
  inTheWay = await listenHttp(createServer(), { address: '127.0.0.1', port });
  note('web', port);
  await checks.publish();
  await checks.publish();
  expect(warn).toHaveBeenCalledTimes(1);
  await inTheWay.close();
  await checks.publish();
  expect((await fetch(`http://127.0.0.1:${port}/`)).status).toBe(200);
});
