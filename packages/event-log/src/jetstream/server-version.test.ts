import { expect, test } from 'vitest';
import { cautionOf, checkVersion } from './server-version.ts';

test.each(['2.9.10', '2.10.27', '2.15.1', '3.0.0-beta.1'])('%s has what is needed', (version) => {
  expect(() => checkVersion({ version })).not.toThrow();
});

test.each(['2.8.4', '1.4.1', ''])('%s is too old', (version) => {
  expect(() => checkVersion({ version })).toThrow(`nats-server ${version} is older than 2.9`);
});

test('of a cluster of 2.9 people are told, of a single server or a later cluster they are not', () => {
  expect(cautionOf({ version: '2.9.10', cluster: 'eu' })).toMatch(
    /^a cluster of nats-server 2\.9\.10 .* run 2\.10 or later$/,
  );
  expect(cautionOf({ version: '2.9.10' })).toBeUndefined();
  expect(cautionOf({ version: '2.10.0', cluster: 'eu' })).toBeUndefined();
  expect(cautionOf({ version: '2.15.1', cluster: 'eu' })).toBeUndefined();
});
