import { Command } from 'commander';
import { describe, expect, test } from 'vitest';
import { addSourceOptions, domainOf, type SourceFlags } from './source-options.ts';

function parse(...args: string[]): SourceFlags {
  const command = new Command().exitOverride().configureOutput({ writeErr: () => {} });
  const read = addSourceOptions(command);
  command.parse(args, { from: 'user' });
  return read();
}

describe('flags', () => {
  test('a context belongs to the kubeconfig before it; a kubeconfig alone means its current context', () => {
    const { requests } = parse(
      '--context',
      'home',
      '--kubeconfig',
      'a.yaml',
      '--context',
      'eu',
      '--context',
      'us',
      '--kubeconfig',
      'b.yaml',
      '--manifests',
      'shop=./shop',
      '--in-cluster',
      'here',
    );
    const kubernetes = { type: 'kubernetes', isInCluster: false };
    expect(requests).toEqual([
      { ...kubernetes, cluster: 'home', kubeconfig: undefined, context: 'home' },
      { ...kubernetes, cluster: 'eu', kubeconfig: 'a.yaml', context: 'eu' },
      { ...kubernetes, cluster: 'us', kubeconfig: 'a.yaml', context: 'us' },
      { type: 'manifests', cluster: 'shop', path: './shop' },
      { ...kubernetes, cluster: 'here', kubeconfig: undefined, context: undefined, isInCluster: true },
      { ...kubernetes, cluster: undefined, kubeconfig: 'b.yaml', context: undefined },
    ]);
  });

  test('a path may hold an equals sign, a name may be that of a cloud context', () => {
    const { requests } = parse('--manifests', 'arn:aws:eks:eu-1:1:cluster/x=./a=b');
    expect(requests).toEqual([{ type: 'manifests', cluster: 'arn:aws:eks:eu-1:1:cluster/x', path: './a=b' }]);
  });

  test.for([
    { args: ['--manifests', 'shop'], message: '--manifests needs NAME=PATH' },
    { args: ['--manifests', '=./shop'], message: '--manifests needs NAME=PATH' },
    { args: ['--manifests', 'a b=./shop'], message: '"a b" cannot be the name of a cluster' },
    { args: ['--cluster-domain', 'bad_domain'], message: '"bad_domain" is not a DNS domain' },
    { args: ['--cluster-domain', 'shop=-x.local'], message: '"-x.local" is not a DNS domain' },
  ])('$args is refused: $message', ({ args, message }) => {
    expect(() => parse(...args)).toThrow(message);
  });
});

test.for([
  { args: [], cluster: 'eu', count: 1, domain: 'cluster.local' },
  { args: [], cluster: 'eu', count: 2, domain: 'eu.cluster.local' },
  { args: [], cluster: 'admin@eu/prod', count: 2, domain: 'admin-eu-prod.cluster.local' },
  { args: ['--cluster-domain', 'example.com.'], cluster: 'eu', count: 1, domain: 'example.com' },
  { args: ['--cluster-domain', 'example.com'], cluster: 'eu', count: 2, domain: 'eu.example.com' },
  { args: ['--cluster-domain', 'eu=Example.com'], cluster: 'eu', count: 2, domain: 'example.com' },
])('$args gives cluster $cluster, one of $count, the domain $domain', ({ args, cluster, count, domain }) => {
  expect(domainOf(cluster, count, parse(...args).domains)).toBe(domain);
});
