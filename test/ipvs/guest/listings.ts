/** What the programs say of the rules that are loaded, and of rules that somebody has changed. */
import { run } from './lab.ts';
import type { GuestListing } from './messages.ts';

export function listingsOf(): GuestListing[] {
  const loaded = [listing('IPv4', 'loaded'), listing('IPv6', 'loaded')];
  const server = '10.96.1.1:80';
  const [, real = ''] = new RegExp(`^-a -t ${server} -r (\\S+)`, 'm').exec(run('ipvsadm', ['-S', '-n'])) ?? [];
  run('ipvsadm', ['-d', '-t', server, '-r', real]);
  run('ipvsadm', ['-D', '-t', '10.96.1.2:80']);
  return [...loaded, listing('IPv4', 'damaged')];
}

function listing(family: GuestListing['family'], state: GuestListing['state']): GuestListing {
  return {
    family,
    state,
    ipvsadm: run('ipvsadm', ['--save', '--numeric']),
    ipset: run('ipset', ['save']),
    iptables: run(family === 'IPv4' ? 'iptables-save' : 'ip6tables-save', []),
  };
}
