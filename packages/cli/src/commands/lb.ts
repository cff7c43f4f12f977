/** `signalbox lb …`: hold target groups still, let them go on, say that removals are meant, take addresses back. */
import {
  type LoadBalancerAddressObject,
  type LoadBalancerIntentItem,
  type LoadBalancerPolicyObject,
  NO_CLASS,
  nameForService,
  SignalboxError,
} from '@signalbox/contracts';
import type { Command } from 'commander';
import type { ApiClient } from '../api-client.ts';
import { type ApiFlags, openClient, withApi } from '../api-options.ts';
import type { CliIo } from '../io.ts';
import { findTargetGroups, parseServicePlace } from '../target-groups.ts';

interface LbOptions extends ApiFlags {
  readonly service?: string;
  readonly cluster?: string;
}

type Policy = LoadBalancerIntentItem & { readonly intent: LoadBalancerPolicyObject };
type PolicySpec = LoadBalancerPolicyObject['spec'];
type Address = LoadBalancerIntentItem & { readonly intent: LoadBalancerAddressObject };

const POLICIES = '/v1/intents/load-balancer-policies';
const ADDRESSES = '/v1/intents/load-balancer-addresses';
const LIMIT = 10_000;

export function addLbCommand(program: Command, io: CliIo): void {
  const lb = program
    .command('lb')
    .description('load balancers: pause, resume, confirm removals, release addresses')
    .addHelpText('afterAll', EXAMPLES);
  addPauseCommand(lb, io, {
    name: 'pause',
    isPaused: true,
    description: 'change nothing at a class, or for a Service',
  });
  addPauseCommand(lb, io, { name: 'resume', isPaused: false, description: 'go on after a pause' });
  const confirm = lb
    .command('confirm <namespace/service>')
    .description('the removals that are held back for this Service are meant')
    .option('--cluster <name>', 'of this cluster; needed when several have a Service of this name');
  withApi(confirm).action((place: string, options: LbOptions) => runConfirm(io, place, options));
  const release = lb
    .command('release <namespace/service>')
    .description(
      'takes back the address that a pool or a controller gave this Service; who still wants one gets one anew',
    )
    .option('--cluster <name>', 'of this cluster; needed when several have a Service of this name');
  withApi(release).action((place: string, options: LbOptions) => runRelease(io, place, options));
}

function addPauseCommand(
  lb: Command,
  io: CliIo,
  { name, isPaused, description }: { name: string; isPaused: boolean; description: string },
): void {
  const command = lb
    .command(`${name} [class]`)
    .description(`${description}; ${NO_CLASS} is the class of Services without one`)
    .option('--service <namespace/service>', 'only this Service, instead of a class')
    .option('--cluster <name>', 'of this cluster; needed when several have a Service of this name');
  withApi(command).action(async (text: string | undefined, options: LbOptions) => {
    const client = openClient(options);
    if ((text === undefined) === (options.service === undefined)) {
      throw new SignalboxError('invalid', 'give either a class or --service NAMESPACE/SERVICE');
    }
    const revision =
      options.service === undefined
        ? await changePolicy(client, text === NO_CLASS ? '' : (text ?? ''), (spec) => ({ ...spec, isPaused }))
        : await pauseService(client, options.service, { cluster: options.cluster, isPaused });
    io.stdout.write(`${isPaused ? 'paused' : 'resumed'} at revision ${revision}\n`);
  });
}

async function pauseService(
  client: ApiClient,
  place: string,
  { cluster, isPaused }: { cluster: string | undefined; isPaused: boolean },
): Promise<number> {
  const [group] = await findTargetGroups(client, place, cluster);
  if (group === undefined) throw new SignalboxError('not_found', `${place} has no target group`);
  const key = `${group.cluster}/${group.namespace}/${group.service}`;
  return await changePolicy(client, group.loadBalancerClass, ({ pausedServices = [], ...spec }) => {
    const others = pausedServices.filter((each) => each !== key);
    return { ...spec, pausedServices: isPaused ? [...others, key] : others };
  });
}

/** Of what was read only: a change by somebody else at the same moment is refused, not lost. */
async function changePolicy(
  client: ApiClient,
  loadBalancerClass: string,
  change: (spec: PolicySpec) => PolicySpec,
): Promise<number> {
  const { items } = await client.atLeast('latest').list<Policy>(POLICIES, {}, LIMIT);
  const known = items.find(({ intent }) => intent.spec.loadBalancerClass === loadBalancerClass);
  const name = known?.intent.metadata.name ?? policyName(loadBalancerClass);
  const headers = known === undefined ? { 'if-none-match': '*' } : { 'if-match': `"${known.revision}"` };
  const body = change(known?.intent.spec ?? { loadBalancerClass });
  const { revision } = await client.send<Policy>('PUT', `${POLICIES}/${encodeURIComponent(name)}`, { body, headers });
  return revision;
}

function policyName(loadBalancerClass: string): string {
  return loadBalancerClass === '' ? 'default' : loadBalancerClass.toLowerCase().replaceAll(/[^a-z0-9_.:-]/g, '_');
}

async function runConfirm(io: CliIo, place: string, options: LbOptions): Promise<void> {
  const client = openClient(options);
  const groups = await findTargetGroups(client, place, options.cluster);
  const held = groups.filter((group) => group.held !== undefined);
  const [first] = held;
  if (first === undefined) {
    io.stderr.write(`Nothing is held back for ${place}.\n`);
    return;
  }
  const service = { cluster: first.cluster, namespace: first.namespace, name: first.service };
  const body = { service, revision: Math.max(...held.map((group) => group.revision)) };
  const path = `/v1/intents/load-balancer-confirmations/${encodeURIComponent(nameForService(service))}`;
  const { revision } = await client.send<LoadBalancerIntentItem>('PUT', path, { body });
  const count = held.reduce((sum, group) => sum + (group.held?.targets ?? 0), 0);
  io.stdout.write(`confirmed the removal of ${count} targets at revision ${revision}\n`);
}

/** Of what was read only: an address that somebody changes at the same moment stays. */
async function runRelease(io: CliIo, place: string, options: LbOptions): Promise<void> {
  const client = openClient(options);
  const { namespace, service: name } = parseServicePlace(place);
  const { items } = await client.list<Address>(ADDRESSES, {}, LIMIT);
  const found = items.filter(({ intent: { spec } }) => {
    const isOfCluster = options.cluster === undefined || spec.service.cluster === options.cluster;
    return isOfCluster && spec.service.namespace === namespace && spec.service.name === name;
  });
  const [first, ...others] = found;
  if (first === undefined) throw new SignalboxError('not_found', `${place} has no address from a pool or a controller`);
  if (others.length > 0) {
    const clusters = found.map(({ intent }) => intent.spec.service.cluster).sort();
    throw new SignalboxError('invalid', `${place} is in ${clusters.join(', ')}: choose one with --cluster`);
  }
  const { metadata, spec } = first.intent;
  const headers = { 'if-match': `"${first.revision}"` };
  const path = `${ADDRESSES}/${encodeURIComponent(metadata.name)}`;
  const { revision } = await client.send<{ revision: number }>('DELETE', path, { headers });
  const addresses = spec.ingress.map(({ ip, hostname }) => ip ?? hostname).join(', ');
  io.stdout.write(`released ${addresses || 'no address'} (${spec.source}) at revision ${revision}\n`);
}

const EXAMPLES = `
Examples:
  signalbox lb pause example.com/f5
  signalbox lb resume example.com/f5
  signalbox lb pause _                            Services without a class
  signalbox lb pause --service shop/storefront-public
  signalbox lb confirm shop/storefront-public --cluster shop
  signalbox lb release shop/storefront-public     its rules stay until DNS and load balancers have let go of it`;
