import fc from 'fast-check';
import { expect, test } from 'vitest';
import { loadBalancerAddressObjectSchema, nameForService, serviceOfName } from './load-balancer-intents.ts';
import { clusterNameSchema } from './objects.ts';

const dnsLabel = fc.stringMatching(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/);
const clusterName = fc.stringMatching(/^[\w.:@/-]{1,128}$/).filter((name) => clusterNameSchema.safeParse(name).success);
const service = fc.record({ cluster: clusterName, namespace: dnsLabel, name: dnsLabel });

test('every Service has an intent name that is allowed and its own', () => {
  fc.assert(
    fc.property(service, service, (left, right) => {
      const name = nameForService(left);
      const object = {
        kind: 'LoadBalancerAddress',
        metadata: { name },
        spec: { service: left, ingress: [], source: 'pool:a' },
      };
      expect(loadBalancerAddressObjectSchema.safeParse(object).error).toBeUndefined();
      expect(serviceOfName(name)).toEqual(left);
      expect(nameForService(right) === name).toBe(JSON.stringify(left) === JSON.stringify(right));
    }),
  );
});
