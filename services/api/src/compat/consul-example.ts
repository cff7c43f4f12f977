/** One instance, as the OpenAPI document shows it. */
const indexes = { CreateIndex: 119, ModifyIndex: 119 };
const tags = ['http', 'tcp', 'shop-eu'];
const id = 'shop-eu/shop/web:80/TCP@192.0.2.11:30080';

export const consulExample = {
  Node: {
    ID: 'shop-eu/node-1',
    Node: 'node-1',
    Address: '192.0.2.11',
    Datacenter: 'signalbox',
    TaggedAddresses: {},
    Meta: {},
    ...indexes,
  },
  Service: {
    ID: id,
    Service: 'web.shop',
    Tags: tags,
    Address: '192.0.2.11',
    TaggedAddresses: {},
    Meta: { cluster: 'shop-eu', namespace: 'shop', class: '', listen: '80/TCP' },
    Port: 30_080,
    Weights: { Passing: 1, Warning: 1 },
    EnableTagOverride: false,
    Namespace: 'shop',
    ...indexes,
  },
  Checks: [
    {
      Node: 'node-1',
      CheckID: `signalbox:${id}`,
      Name: 'Signalbox',
      Status: 'passing' as const,
      Notes: '',
      Output: 'active: ready; the load balancer says unknown',
      ServiceID: id,
      ServiceName: 'web.shop',
      ServiceTags: tags,
      Type: '',
      ...indexes,
    },
  ],
};
