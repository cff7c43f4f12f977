import { type ServiceObject, serviceObjectSchema } from '@signalbox/contracts';
import { describe, expect, test } from 'vitest';
import { compileServiceEnv } from './compile-service-env.ts';

function aService(name: string, spec: object = {}, namespace = 'shop'): ServiceObject {
  const full = { clusterIPs: ['10.96.0.20'], ports: [{ port: 80 }], ...spec };
  return serviceObjectSchema.parse({ kind: 'Service', metadata: { name, namespace }, spec: full });
}

function linesOf(services: ServiceObject[], { namespace = 'shop', enableServiceLinks = true } = {}): string[] {
  const { variables } = compileServiceEnv(services, { namespace, enableServiceLinks });
  return variables.map(({ name, value }) => `${name}=${value}`);
}

const hosts = (lines: string[]) => lines.filter((line) => line.includes('_SERVICE_HOST='));

describe('environment of a container', () => {
  test('every variable of a Service, in the order of the kubelet', () => {
    const ports = [
      { name: 'http', port: 80 },
      { name: 'dns-tcp', port: 53, protocol: 'UDP' },
    ];
    expect(linesOf([aService('my-web', { ports })])).toEqual([
      'MY_WEB_SERVICE_HOST=10.96.0.20',
      'MY_WEB_SERVICE_PORT=80',
      'MY_WEB_SERVICE_PORT_HTTP=80',
      'MY_WEB_SERVICE_PORT_DNS_TCP=53',
      'MY_WEB_PORT=tcp://10.96.0.20:80',
      'MY_WEB_PORT_80_TCP=tcp://10.96.0.20:80',
      'MY_WEB_PORT_80_TCP_PROTO=tcp',
      'MY_WEB_PORT_80_TCP_PORT=80',
      'MY_WEB_PORT_80_TCP_ADDR=10.96.0.20',
      'MY_WEB_PORT_53_UDP=udp://10.96.0.20:53',
      'MY_WEB_PORT_53_UDP_PROTO=udp',
      'MY_WEB_PORT_53_UDP_PORT=53',
      'MY_WEB_PORT_53_UDP_ADDR=10.96.0.20',
    ]);
  });

  test('an IPv6 address is in brackets where a port follows', () => {
    const lines = linesOf([aService('v6', { clusterIPs: ['fd00::1', '10.0.0.1'] })]);
    expect(lines.slice(0, 3)).toEqual(['V6_SERVICE_HOST=fd00::1', 'V6_SERVICE_PORT=80', 'V6_PORT=tcp://[fd00::1]:80']);
    expect(lines.at(-1)).toBe('V6_PORT_80_TCP_ADDR=fd00::1');
  });

  test('Services without a cluster IP give nothing', () => {
    const services = [
      aService('headless', { clusterIPs: ['None'] }),
      aService('pending', { clusterIPs: [] }),
      aService('external', { type: 'ExternalName', externalName: 'db.example.com', clusterIPs: [] }),
    ];
    expect(linesOf(services)).toEqual([]);
  });

  const all = [
    aService('web'),
    aService('kubernetes', { clusterIPs: ['10.96.0.1'] }, 'default'),
    aService('other', {}, 'default'),
    aService('elsewhere', {}, 'bank'),
  ];
  test.for<{ name: string; options: object; services?: ServiceObject[]; found: string[] }>([
    { name: 'own Services and the API server', options: {}, found: ['KUBERNETES', 'WEB'] },
    { name: 'only the API server without links', options: { enableServiceLinks: false }, found: ['KUBERNETES'] },
    { name: 'an unknown namespace has the API server', options: { namespace: 'x' }, found: ['KUBERNETES'] },
    { name: 'the default namespace has its own', options: { namespace: 'default' }, found: ['KUBERNETES', 'OTHER'] },
  ])('$name', ({ options, found }) => {
    const names = hosts(linesOf(all, options)).map((line) => line.replace(/_SERVICE_HOST=.*/, ''));
    expect(names).toEqual(found);
    expect(linesOf([...all].reverse(), options)).toEqual(linesOf(all, options));
  });

  test('a Service called kubernetes in the own namespace hides the API server, but only with links', () => {
    const services = [aService('kubernetes'), ...all];
    expect(hosts(linesOf(services))[0]).toBe('KUBERNETES_SERVICE_HOST=10.96.0.20');
    expect(hosts(linesOf([...services].reverse()))[0]).toBe('KUBERNETES_SERVICE_HOST=10.96.0.20');
    const without = hosts(linesOf(services, { enableServiceLinks: false }));
    expect(without).toEqual(['KUBERNETES_SERVICE_HOST=10.96.0.1']);
  });

  test('a variable that two Services give is told of', () => {
    const services = [aService('web-port-80-tcp', { clusterIPs: ['10.96.0.21'] }), aService('web')];
    const { variables, skipped } = compileServiceEnv(services, { namespace: 'shop', enableServiceLinks: true });
    expect(skipped.map(({ path }) => path)).toEqual(['WEB_PORT_80_TCP_PORT']);
    const clash = variables.filter(({ name }) => name === 'WEB_PORT_80_TCP_PORT');
    expect(clash).toEqual([
      { name: 'WEB_PORT_80_TCP_PORT', value: 'tcp://10.96.0.21:80', service: 'shop/web-port-80-tcp' },
    ]);
  });
});
