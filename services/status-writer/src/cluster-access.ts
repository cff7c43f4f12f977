/** `--kubeconfig FILE`, `--context NAME`, `--in-cluster NAME`: which clusters may be written to. As the watcher's. */
import { clusterNameSchema, SignalboxError } from '@signalbox/contracts';
import { type StatusClient, statusClient } from '@signalbox/kube';
import type { Command } from 'commander';

export interface ClusterAccessFlags {
  readonly kubeconfig?: string;
  readonly context: readonly string[];
  readonly inCluster?: string;
}

export function clusterAccessOptions(command: Command): Command {
  return command
    .option('--kubeconfig <file>', 'kubeconfig of the contexts (default: that of kubectl)')
    .option('--context <name>', 'a cluster to write to, by its context (repeatable)', append, [])
    .option('--in-cluster <name>', 'the cluster this process runs in, under this name');
}

/** Throws `invalid` when none is named, or a kubeconfig cannot be used. */
export function openStatusClients(flags: ClusterAccessFlags): Map<string, StatusClient> {
  const { kubeconfig, context, inCluster } = flags;
  const clients = new Map(
    context.map((name) => [
      checked(name),
      statusClient({ context: name, ...(kubeconfig !== undefined && { kubeconfig }) }),
    ]),
  );
  if (inCluster !== undefined) clients.set(checked(inCluster), statusClient({ inCluster: true }));
  if (clients.size > 0) return clients;
  throw new SignalboxError('invalid', 'name at least one cluster to write to: --context NAME or --in-cluster NAME');
}

function append(value: string, all: readonly string[]): string[] {
  return [...all, value];
}

function checked(name: string): string {
  if (clusterNameSchema.safeParse(name).success) return name;
  throw new SignalboxError('invalid', `"${name}" cannot be the name of a cluster`);
}
