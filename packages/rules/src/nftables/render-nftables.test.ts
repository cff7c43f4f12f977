import type { PlanEndpoint } from '@signalbox/contracts';
import { describe, expect, test } from 'vitest';
import { anEndpoint, aPlan, aPort } from '../../../../test/packets/a-plan.ts';
import { type RenderOptions, renderRules } from '../index.ts';

const OPTIONS: RenderOptions = {
  node: { name: 'n1', addresses: ['10.240.0.1'] },
  backend: 'nftables',
  families: ['IPv4'],
  clusterCIDRs: ['10.244.0.0/16'],
};
const TWO = [anEndpoint({ address: '10.244.1.1' }), anEndpoint({ address: '10.244.1.2', node: 'n2' })];

/** Elements of one set or map, without their comments. */
function elementsOf(
  container: string,
  plan: Parameters<typeof aPlan>[0],
  options: Partial<RenderOptions> = {},
): string[] {
  const { text } = renderRules([aPlan(plan)], { ...OPTIONS, ...options });
  const block = new RegExp(`add element ip signalbox ${container} \\{\\n([^}]*)\\n\\}`).exec(text)?.[1];
  return block === undefined ? [] : block.split(',\n').map((line) => line.trim().replace(/ comment "[^"]*"/, ''));
}

function weighted(...weights: number[]): PlanEndpoint[] {
  return weights.map((weight, index) => anEndpoint({ address: `10.244.1.${index + 1}`, weight }));
}

describe('a service is elements of shared maps', () => {
  test('dispatched by how many endpoints it has', () => {
    const plan = { ports: [aPort({ endpoints: TWO, nodePort: 30_080 })] };
    expect(elementsOf('service-ips', plan)).toEqual(['10.96.0.10 . tcp . 80 : goto internal-2']);
    expect(elementsOf('service-nodeports', plan)).toEqual(['tcp . 30080 : goto nodeport-2']);
    expect(elementsOf('endpoints-tcp', plan)).toEqual([
      '10.96.0.10 . 80 . 0 : 10.244.1.1 . 8080',
      '10.96.0.10 . 80 . 1 : 10.244.1.2 . 8080',
    ]);
    expect(elementsOf('nodeport-endpoints-tcp', plan)).toEqual([
      '30080 . 0 : 10.244.1.1 . 8080',
      '30080 . 1 : 10.244.1.2 . 8080',
    ]);
  });

  test('with numbers of their own for local endpoints', () => {
    const plan = {
      externalIPs: ['203.0.113.1'],
      externalTrafficPolicy: 'Local' as const,
      ports: [aPort({ endpoints: TWO })],
    };
    expect(elementsOf('service-ips', plan)[1]).toBe('203.0.113.1 . tcp . 80 : goto external-local-1-of-2');
    expect(elementsOf('endpoints-tcp', plan).slice(2)).toEqual([
      '203.0.113.1 . 80 . 0 : 10.244.1.1 . 8080',
      '203.0.113.1 . 80 . 1 : 10.244.1.2 . 8080',
      '203.0.113.1 . 80 . 1000000 : 10.244.1.1 . 8080',
    ]);
  });

  test.for<{ name: string; endpoints: PlanEndpoint[]; slots: string[] }>([
    { name: 'as often as weights say', endpoints: weighted(20, 10), slots: ['10.244.1.1', '10.244.1.1', '10.244.1.2'] },
    { name: 'not at all with weight 0', endpoints: weighted(0, 7), slots: ['10.244.1.2'] },
    { name: 'alike when all weights are 0', endpoints: weighted(0, 0), slots: ['10.244.1.1', '10.244.1.2'] },
  ])('endpoints are in it $name', ({ endpoints, slots }) => {
    const elements = elementsOf('endpoints-tcp', { ports: [aPort({ endpoints })] });
    expect(elements.map((element) => element.split(/ : | \. /)[3])).toEqual(slots);
  });

  test('whose weights are bounded', () => {
    const elements = elementsOf('endpoints-tcp', { ports: [aPort({ endpoints: weighted(1, 1_000_003) })] });
    expect(elements.length).toBeLessThanOrEqual(1_000);
    expect(elements[0]).toContain('10.244.1.1');
  });
});

test('with session affinity, clients are tried against each endpoint, then chosen for, then served even if nobody can be remembered', () => {
  const { text } = renderRules([aPlan({ sessionAffinitySeconds: 60, ports: [aPort({ endpoints: TWO })] })], OPTIONS);
  const rules = [...text.matchAll(/^add rule ip signalbox sticky-[0-9a-f]{16} (.*)$/gm)].map(([, rule]) => rule);
  const number = 'ip saddr \\. numgen random mod 1 offset \\d+';
  const remember = `meta l4proto tcp update @affinity \\{ ${number} timeout 60s \\}`;
  const expected = [
    `${number} @affinity ${remember} dnat to 10.244.1.1:8080`,
    `${number} @affinity ${remember} dnat to 10.244.1.2:8080`,
    `numgen random mod 2 < 1 ${remember} dnat to 10.244.1.1:8080`,
    `${remember} dnat to 10.244.1.2:8080`,
    'meta l4proto tcp dnat ip to numgen random mod 2 map \\{ 0 : 10.244.1.1 \\. 8080, 1 : 10.244.1.2 \\. 8080 \\}',
  ];
  expect(rules).toHaveLength(expected.length);
  for (const [index, rule] of rules.entries()) expect(rule).toMatch(new RegExp(`^${expected[index]}$`));
});

test('only endpoints that could come back through this node are hairpins', () => {
  const endpoints = [...TWO, { ...anEndpoint({ address: '10.244.9.9' }), node: undefined }].map(withoutUndefined);
  expect(elementsOf('hairpin', { ports: [aPort({ endpoints })] })).toEqual([
    '10.244.1.1 . 10.244.1.1',
    '10.244.9.9 . 10.244.9.9',
  ]);
});

test.for<{ name: string; options: Partial<RenderOptions>; expected: string[] }>([
  { name: 'the primary address', options: {}, expected: ['10.240.0.1/32'] },
  {
    name: 'every address, when none is known',
    options: { node: { name: 'n1', addresses: [] } },
    expected: ['0.0.0.0/0'],
  },
  {
    name: 'the given addresses',
    options: { nodePortAddresses: ['10.0.0.0/8', '10.1.0.0/16', '::/0'] },
    expected: ['10.0.0.0/8'],
  },
])('node ports answer on $name', ({ options, expected }) => {
  expect(elementsOf('nodeport-ips', {}, options)).toEqual(expected);
});

function withoutUndefined(endpoint: Omit<PlanEndpoint, 'node'> & { node?: string | undefined }): PlanEndpoint {
  const { node, ...rest } = endpoint;
  return node === undefined ? rest : { ...rest, node };
}
