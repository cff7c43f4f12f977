import type { ProxyPlan } from '@signalbox/contracts';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { anEndpoint, aPlan, aPort } from '../../../test/packets/a-plan.ts';
import { type Contents, listed, runStep } from '../../../test/packets/kernel-model.ts';
import { changesBetween, somePlans } from '../../../test/packets/plan-arbitraries.ts';
import { NodeRules, type RenderOptions, RULES_BACKENDS, type RulesScript } from './index.ts';

const NODE = { name: 'n1', zone: 'z1', addresses: ['10.240.0.1', 'fd00:240::1'] };

function optionsOf(backend: RenderOptions['backend']): RenderOptions {
  return { node: NODE, backend, families: ['IPv4', 'IPv6'], clusterCIDRs: ['10.244.0.0/16', 'fd00:244::/32'] };
}

function run(contents: Contents, { steps }: RulesScript): void {
  for (const step of steps) runStep(contents, step);
}

function freshKernel(backend: RenderOptions['backend'], plans: readonly ProxyPlan[]): string[] {
  const contents: Contents = new Map();
  run(contents, new NodeRules(optionsOf(backend)).reset(plans));
  return listed(contents);
}

describe.for(RULES_BACKENDS)('%s', { timeout: 60_000 }, (backend) => {
  test('updates lead from any plans to the rules of any others', () => {
    fc.assert(
      fc.property(fc.array(somePlans, { minLength: 2, maxLength: 4 }), ([first = [], ...others]) => {
        const rules = new NodeRules(optionsOf(backend));
        const contents: Contents = new Map();
        run(contents, rules.reset(first));
        let before = first;
        for (const after of others) {
          run(contents, rules.update(changesBetween(before, after)));
          before = after;
        }
        run(contents, rules.update([]));
        expect(listed(contents)).toEqual(freshKernel(backend, before));
      }),
      { numRuns: 100 },
    );
  });

  test('does nothing for plans that it has', () => {
    fc.assert(
      fc.property(somePlans, (plans) => {
        const rules = new NodeRules(optionsOf(backend));
        rules.reset(plans);
        expect(rules.update(changesBetween(plans, plans)).steps).toEqual([]);
      }),
    );
  });

  test('changes of one service say nothing of the others', () => {
    const others = Array.from({ length: 50 }, (_, index) =>
      aPlan({ name: `other-${index}`, clusterIPs: [`10.96.1.${index}`] }),
    );
    const rules = new NodeRules(optionsOf(backend));
    rules.reset([aPlan(), ...others]);
    const more = aPlan({ ports: [aPort({ endpoints: [anEndpoint(), anEndpoint({ address: '10.244.1.2' })] })] });
    const text = rules
      .update([{ key: more, plan: more }])
      .steps.map(({ input }) => input)
      .join('');
    expect(text).toContain('10.244.1.2');
    expect(text).not.toContain('other-');
    expect(text.length).toBeLessThan(1_500);
  });
});

describe('a node', () => {
  test('that changes in nothing that matters changes no rules', () => {
    const rules = new NodeRules(optionsOf('nftables'));
    expect(rules.setNode({ ...NODE }).steps).toEqual([]);
    expect(rules.setNode({ ...NODE, zone: 'z2' }).steps).not.toEqual([]);
  });

  test('in another zone has the rules of that zone', () => {
    const endpoints = ['z1', 'z2'].map((zone, index) =>
      anEndpoint({ address: `10.244.1.${index}`, hintZones: [zone], node: 'n9' }),
    );
    const rules = new NodeRules(optionsOf('nftables'));
    const first = rules.reset([aPlan({ ports: [aPort({ endpoints })] })]).steps[0]?.input;
    expect(first).toContain('10.244.1.0 . 8080');
    expect(first).not.toContain('10.244.1.1 . 8080');
    const moved = rules.setNode({ ...NODE, zone: 'z2' }).steps[0]?.input;
    expect(moved).toContain('10.244.1.1 . 8080');
    expect(moved).not.toContain('10.244.1.0 . 8080');
  });
});

test('an address that one service lets go passes to the one that waits for it', () => {
  const rules = new NodeRules(optionsOf('nftables'));
  const waiting = aPlan({ name: 'waiting', clusterIPs: ['10.96.0.11'], externalIPs: ['10.96.0.10'] });
  const { skipped } = rules.reset([aPlan(), waiting]);
  expect(skipped).toMatchObject([{ service: 'shop/waiting', path: 'externalIPs[0]' }]);
  const script = rules.update([{ key: aPlan(), plan: undefined }]);
  expect(script.skipped).toEqual([]);
  expect(script.steps[0]?.input).toContain(
    'add element ip signalbox service-ips { 10.96.0.10 . tcp . 80 comment "shop/waiting external IP" : goto external-1 }',
  );
});

test('options that cannot be followed are refused at once', () => {
  const detectLocal = { mode: 'BridgeInterface', interfaceName: 'x" ; drop' } as const;
  expect(() => new NodeRules({ ...optionsOf('nftables'), detectLocal })).toThrow('is not the name of an interface');
});
