/** Ways to prove who one is, as kubeconfig files have them. */
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SOURCE_KINDS } from '@signalbox/contracts';
import { expect, test } from 'vitest';
import type { ApiServer } from '../harness/api-server/api-server.ts';
import { startServer, startSource, temporaryFolder, waitForState, waitForSync } from './harness.ts';
import { aService } from './objects.ts';

const OBJECTS = [aService('web')];

async function startWithUser(server: ApiServer, user: object, cluster: object = {}) {
  const kubeconfig = await server.kubeconfig(join(await temporaryFolder(), 'config'), { user, cluster });
  return { kubeconfig, ...(await startSource(server, { kinds: ['Service'], kubeconfig })) };
}

test('a token', async () => {
  const server = await startServer({ objects: OBJECTS, token: 'secret' });
  const { sink } = await startWithUser(server, { token: 'secret' });
  await waitForSync(server, sink, 'Service');
});

test('a wrong token is unauthorized', async () => {
  const server = await startServer({ objects: OBJECTS, token: 'secret' });
  const { sink } = await startWithUser(server, { token: 'wrong' });
  await waitForState(sink, 'Service', 'unauthorized');
});

test('a token that was renewed in the kubeconfig is taken up without a failure', async () => {
  const server = await startServer({ objects: OBJECTS, token: 'first' });
  const { sink, kubeconfig } = await startWithUser(server, { token: 'first' });
  await waitForState(sink, 'Service', 'watching');
  server.setToken('second');
  await server.kubeconfig(kubeconfig, { user: { token: 'second' } });
  server.put(aService('db'));
  server.cutWatches('Service');
  await waitForSync(server, sink, 'Service');
  expect(sink.statesOf('Service')).not.toContain('unauthorized');
});

test('a token file, relative to the kubeconfig', async () => {
  const folder = await temporaryFolder();
  const server = await startServer({ objects: OBJECTS, token: 'from-a-file' });
  await writeFile(join(folder, 'token'), 'from-a-file');
  const kubeconfig = await server.kubeconfig(join(folder, 'config'), { user: { tokenFile: 'token' } });
  const { sink } = await startSource(server, { kinds: ['Service'], kubeconfig });
  await waitForSync(server, sink, 'Service');
});

test('an exec plugin', async () => {
  const server = await startServer({ objects: OBJECTS, token: 'from-a-plugin' });
  const credential = {
    kind: 'ExecCredential',
    apiVersion: 'client.authentication.k8s.io/v1',
    status: { token: 'from-a-plugin' },
  };
  const exec = { apiVersion: credential.apiVersion, command: '/bin/echo', args: [JSON.stringify(credential)] };
  const { sink } = await startWithUser(server, { exec });
  await waitForSync(server, sink, 'Service');
});

test('an exec plugin is asked once for all kinds', async () => {
  const log = join(await temporaryFolder(), 'runs');
  const server = await startServer({ objects: OBJECTS, token: 'from-a-plugin' });
  const status = { token: 'from-a-plugin', expirationTimestamp: '2999-01-01T00:00:00Z' };
  const script = `echo run >> ${log}; echo '${JSON.stringify({ kind: 'ExecCredential', status })}'`;
  const exec = { apiVersion: 'client.authentication.k8s.io/v1', command: '/bin/sh', args: ['-c', script] };
  const kubeconfig = await server.kubeconfig(join(await temporaryFolder(), 'config'), { user: { exec } });
  const { sink } = await startSource(server, { kubeconfig });
  for (const kind of SOURCE_KINDS) await waitForState(sink, kind, 'watching');
  expect(readFileSync(log, 'utf8')).toBe('run\n');
});

test('an exec plugin that fails is unauthorized, with what it said', async () => {
  const server = await startServer({ objects: OBJECTS });
  const exec = {
    apiVersion: 'client.authentication.k8s.io/v1',
    command: '/bin/sh',
    args: ['-c', 'echo log in first >&2; exit 1'],
  };
  const { sink } = await startWithUser(server, { exec });
  await waitForState(sink, 'Service', 'unauthorized');
  expect(sink.status('Service')?.message).toContain('log in first');
});

test('a context without a user is anonymous', async () => {
  const server = await startServer({ objects: OBJECTS });
  const path = join(await temporaryFolder(), 'config');
  const text = JSON.parse(readFileSync(await server.kubeconfig(path), 'utf8'));
  await writeFile(
    path,
    JSON.stringify({ ...text, users: [], contexts: [{ name: 'test', context: { cluster: 'test' } }] }),
  );
  const { sink } = await startSource(server, { kinds: ['Service'], kubeconfig: path });
  await waitForSync(server, sink, 'Service');
});

test('TLS with an authority of its own, and a client certificate', async () => {
  const { certificate, key } = testCertificate();
  const server = await startServer({ objects: OBJECTS, tls: { key, cert: certificate, clientCa: certificate } });
  const data = { 'client-certificate-data': base64(certificate), 'client-key-data': base64(key) };
  const { sink } = await startWithUser(server, data, { 'certificate-authority-data': base64(certificate) });
  await waitForSync(server, sink, 'Service');
});

test('a server that the authority did not sign is not talked to', async () => {
  const { certificate, key } = testCertificate();
  const server = await startServer({ objects: OBJECTS, tls: { key, cert: certificate } });
  const { sink } = await startWithUser(server, {});
  await waitForState(sink, 'Service', 'unreachable');
  expect(sink.status('Service')?.message).toContain('self-signed certificate');
  expect(server.requests).toEqual([]);
});

/** One certificate that is its own authority, and serves as that of server and client. */
function testCertificate(): { certificate: string; key: string } {
  const read = (name: string) => readFileSync(new URL(`../harness/api-server/${name}`, import.meta.url), 'utf8');
  return { certificate: read('test-certificate.pem'), key: read('test-key.pem') };
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}
