import { describe, expect, test } from 'vitest';
import { dropEmptyVariables, unknownVariables } from './environment.ts';

const known = ['SIGNALBOX_NATS', 'SIGNALBOX_NATS_REPLICAS'];

describe('variables that nobody reads', () => {
  test.for([
    { name: 'a known one is not among them', variable: 'SIGNALBOX_NATS_REPLICAS', unknown: [] },
    { name: 'nor is what belongs to others', variable: 'NATS_REPLICA', unknown: [] },
    { name: 'nor what Kubernetes tells of a Service', variable: 'SIGNALBOX_API_PORT_7070_TCP_ADDR', unknown: [] },
    {
      name: 'a mistyped one is named with the one that was meant',
      variable: 'SIGNALBOX_NATS_REPLICA',
      unknown: [{ name: 'SIGNALBOX_NATS_REPLICA', meant: 'SIGNALBOX_NATS_REPLICAS' }],
    },
    {
      name: 'a strange one is named',
      variable: 'SIGNALBOX_WHATEVER_THAT_IS',
      unknown: [{ name: 'SIGNALBOX_WHATEVER_THAT_IS', meant: undefined }],
    },
  ])('$name', ({ variable, unknown }) => {
    expect(unknownVariables({ [variable]: 'x' }, known)).toEqual(unknown);
  });
});

test('an empty variable is one that is not set', () => {
  const environment = { SIGNALBOX_NATS: '', SIGNALBOX_NATS_USER: 'api', HOME: '' };
  dropEmptyVariables(environment);
  expect(environment).toEqual({ SIGNALBOX_NATS_USER: 'api', HOME: '' });
});
