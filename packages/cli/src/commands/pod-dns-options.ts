/** Flags that say which pod, and which node it runs on, a resolv.conf is for. */
import { readFileSync } from 'node:fs';
import { errorText, SignalboxError } from '@signalbox/contracts';
import { DNS_POLICIES, type DnsPolicy, type PodDns } from '@signalbox/zones';
import { type Command, Option } from 'commander';

export interface PodDnsOptions {
  readonly namespace: string;
  readonly policy: DnsPolicy;
  readonly hostNetwork?: boolean;
  readonly nameserver?: readonly string[];
  readonly search?: readonly string[];
  readonly option?: readonly string[];
  readonly clusterDns?: readonly string[];
  readonly nodeResolvConf?: string;
}

export function addPodDnsOptions(command: Command): void {
  const collect = (value: string, known: readonly string[] | undefined) => [...(known ?? []), value];
  command
    .requiredOption('-n, --namespace <name>', 'namespace of the pod')
    .addOption(new Option('--policy <policy>', "the pod's dnsPolicy").choices(DNS_POLICIES).default('ClusterFirst'))
    .option('--host-network', 'the pod is on the network of its node')
    .option('--nameserver <ip>', "nameserver of the pod's dnsConfig (repeatable)", collect)
    .option('--search <domain>', "search domain of the pod's dnsConfig (repeatable)", collect)
    .option('--option <name:value>', "option of the pod's dnsConfig, for example ndots:2 (repeatable)", collect)
    .option('--cluster-dns <ip>', "the kubelet's cluster DNS (repeatable; default: kube-system/kube-dns)", collect)
    .option('--node-resolv-conf <file>', 'resolv.conf of the node');
}

export function podDnsOf({ namespace, policy, hostNetwork, nameserver, search, option }: PodDnsOptions): PodDns {
  const hasDnsConfig = [nameserver, search, option].some((list) => list !== undefined);
  const dnsConfig = { nameservers: nameserver ?? [], searches: search ?? [], options: option ?? [] };
  return { namespace, dnsPolicy: policy, hostNetwork: hostNetwork === true, ...(hasDnsConfig && { dnsConfig }) };
}

/** Undefined when no file was named. */
export function nodeResolvConfText({ nodeResolvConf: file }: PodDnsOptions): string | undefined {
  if (file === undefined) return undefined;
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    throw new SignalboxError('invalid', `--node-resolv-conf: ${errorText(cause)}`, { cause });
  }
}
