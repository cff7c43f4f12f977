import { nodeObjectSchema } from '@signalbox/contracts';
import { expect, test } from 'vitest';
import { rulesNodeOf } from './index.ts';

test('a node is its name, its zone and its addresses, internal ones first', () => {
  const node = nodeObjectSchema.parse({
    kind: 'Node',
    metadata: { name: 'n1', labels: { 'topology.kubernetes.io/zone': 'z1' } },
    status: {
      addresses: [
        { type: 'Hostname', address: 'n1' },
        { type: 'ExternalIP', address: '198.51.100.1' },
        { type: 'InternalIP', address: '10.240.0.1' },
      ],
    },
  });
  expect(rulesNodeOf(node)).toEqual({ name: 'n1', zone: 'z1', addresses: ['10.240.0.1', '198.51.100.1'] });
});

test('a node without a zone has none', () => {
  const node = nodeObjectSchema.parse({ kind: 'Node', metadata: { name: 'n1' } });
  expect(rulesNodeOf(node)).toEqual({ name: 'n1', addresses: [] });
});
