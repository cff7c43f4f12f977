import { SERVICE_ACCESS } from '@signalbox/event-log';
import { expect, test } from 'vitest';
import { natsSecrets } from './nats-secrets.ts';

function secretsFor(places: { namespace: string; agentNamespace?: string }) {
  let count = 0;
  return natsSecrets({ ...places, makePassword: () => `password-${++count}` });
}

test('a service and the servers are told the same password', () => {
  const [servers, ...logins] = secretsFor({ namespace: 'plane', agentNamespace: 'nodes' });
  expect(logins.map(({ stringData }) => stringData.username)).toEqual(Object.keys(SERVICE_ACCESS));
  const { NATS_PASSWORD_ROUTES: ofRoutes, ...ofServices } = servers?.stringData ?? {};
  expect(Object.values(ofServices)).toEqual(logins.map(({ stringData }) => stringData.password));
  expect(ofRoutes).toBe(`password-${logins.length + 1}`);
  expect(servers?.stringData).toMatchObject({ NATS_PASSWORD_API_WATCHER: 'password-1' });
  expect(logins[0]).toEqual({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: {
      name: 'nats-login-api-watcher',
      namespace: 'plane',
      labels: { 'app.kubernetes.io/part-of': 'signalbox' },
    },
    type: 'kubernetes.io/basic-auth',
    stringData: { username: 'api-watcher', password: 'password-1' },
  });
});

test('the login of node agents is where they are, or nowhere', () => {
  const placesOf = (secrets: ReturnType<typeof secretsFor>) =>
    secrets.filter(({ metadata }) => metadata.name.endsWith('node-agent')).map(({ metadata }) => metadata.namespace);
  expect(placesOf(secretsFor({ namespace: 'plane', agentNamespace: 'nodes' }))).toEqual(['nodes']);
  expect(placesOf(secretsFor({ namespace: 'plane' }))).toEqual([]);
});
