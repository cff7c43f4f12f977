import { SignalboxError } from '@signalbox/contracts';

interface Named {
  readonly cluster: string;
  readonly domain: string;
}

/** Throws `invalid`: objects of two clusters with one name would overwrite each other, records of one domain would mix. */
export function refuseRepeated(sources: readonly Named[]): void {
  const names = new Set<string>();
  const byDomain = new Map<string, string>();
  for (const { cluster, domain } of sources) {
    if (names.has(cluster)) {
      throw new SignalboxError('invalid', `two sources are named "${cluster}": give each cluster a name of its own`);
    }
    names.add(cluster);
    const other = byDomain.get(domain);
    if (other !== undefined) {
      throw new SignalboxError(
        'invalid',
        `the clusters ${other} and ${cluster} would share the DNS domain ${domain}: set --cluster-domain ${cluster}=DOMAIN`,
      );
    }
    byDomain.set(domain, cluster);
  }
}
