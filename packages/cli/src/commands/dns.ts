/** `signalbox dns …`: own zones, records and names for Services, asked of a running Signalbox. */
import {
  type DnsAliasObject,
  INTENT_RECORD_TYPES,
  type Intent,
  type IntentObject,
  type IntentRecordType,
  SignalboxError,
} from '@signalbox/contracts';
import { wholeNumber } from '@signalbox/kit';
import { type Command, Option } from 'commander';
import { type ApiFlags, openClient, withApi } from '../api-options.ts';
import type { CliIo } from '../io.ts';
import { type Column, formatTable } from '../table.ts';

interface DnsOptions extends ApiFlags {
  readonly ttl?: number;
  readonly weight?: number;
  readonly set?: string;
  readonly cluster?: string;
  readonly output?: 'table' | 'json';
}

const MAX_TTL_SECONDS = 2 ** 31 - 1;
const LIST_LIMIT = 1_000_000;

export function addDnsCommand(program: Command, io: CliIo): void {
  const dns = program
    .command('dns')
    .description('own zones, records, and public names for Services')
    .addHelpText('afterAll', EXAMPLES);
  addZoneCommand(dns, io);
  addSetCommand(dns, io);
  addAliasCommand(dns, io);
  addDeleteCommand(dns, io);
  addListCommand(dns, io);
}

function addZoneCommand(dns: Command, io: CliIo): void {
  const command = dns.command('set-zone <zone>').description('serve a zone besides those of the clusters');
  withApi(withTtl(command)).action(async (zone: string, options: DnsOptions) => {
    const spec = ttlOf(options);
    await put(io, options, `/v1/intents/dns-zones/${encodeURIComponent(withoutDot(zone))}`, spec);
  });
}

function addSetCommand(dns: Command, io: CliIo): void {
  const command = dns
    .command('set <name> <type> <values...>')
    .description(`the records of a name, of a type out of ${INTENT_RECORD_TYPES.join(', ')}`);
  withApi(withWeight(withTtl(command))).action(
    async (name: string, type: string, values: string[], options: DnsOptions) => {
      const id = idOf(name, checkedType(type), options.set);
      const spec = { name: withoutDot(name), type: checkedType(type), values, ...ttlOf(options), ...weightOf(options) };
      await put(io, options, `/v1/intents/dns-records/${encodeURIComponent(id)}`, spec);
    },
  );
}

function addAliasCommand(dns: Command, io: CliIo): void {
  const command = dns
    .command('set-alias <name> <namespace/service>')
    .description("a name that follows the address of a Service's load balancer")
    .option('--cluster <name>', 'only the Service of this cluster (default: of all that have one)');
  withApi(withWeight(withTtl(command))).action(async (name: string, place: string, options: DnsOptions) => {
    const [namespace, service, ...rest] = place.split('/');
    if (!namespace || !service || rest.length > 0) {
      throw new SignalboxError('invalid', `"${place}" is not NAMESPACE/SERVICE, for example shop/web`);
    }
    const cluster = options.cluster === undefined ? {} : { cluster: options.cluster };
    const target: DnsAliasObject['spec']['service'] = { ...cluster, namespace, name: service };
    const spec = { name: withoutDot(name), service: target, ...ttlOf(options), ...weightOf(options) };
    const id = idOf(name, 'ALIAS', options.set);
    await put(io, options, `/v1/intents/dns-aliases/${encodeURIComponent(id)}`, spec);
  });
}

function addDeleteCommand(dns: Command, io: CliIo): void {
  const command = dns
    .command('delete <name> <type>')
    .description('take back what was set; the type is that of the records, or ALIAS, or ZONE')
    .option('--set <name>', 'of several weighted sets, this one');
  withApi(command).action(async (name: string, type: string, options: DnsOptions) => {
    const { revision } = await openClient(options).send<{ revision: number }>('DELETE', pathOf(name, type, options));
    io.stdout.write(`deleted at revision ${revision}\n`);
  });
}

function addListCommand(dns: Command, io: CliIo): void {
  const command = dns
    .command('list')
    .description('what has been set')
    .addOption(new Option('-o, --output <format>', 'how to print it').choices(['table', 'json']).default('table'));
  withApi(command).action(async (options: DnsOptions) => {
    const client = openClient(options).atLeast('latest');
    const lists = ['dns-zones', 'dns-records', 'dns-aliases'].map((kind) =>
      client.list<Intent>(`/v1/intents/${kind}`, {}, LIST_LIMIT),
    );
    const items = (await Promise.all(lists)).flatMap((list) => list.items);
    if (options.output === 'json') io.stdout.write(`${JSON.stringify(items, undefined, 2)}\n`);
    else if (items.length === 0) io.stderr.write('Nothing is set. "signalbox dns set-zone example.com" begins.\n');
    else io.stdout.write(`${formatTable(COLUMNS, items, io.stdout.columns)}\n`);
  });
}

async function put(io: CliIo, options: DnsOptions, path: string, body: object): Promise<void> {
  const { revision } = await openClient(options).send<Intent>('PUT', path, { body });
  io.stdout.write(`set at revision ${revision}\n`);
}

function withTtl(command: Command): Command {
  return command.option('--ttl <seconds>', 'TTL of the records', wholeNumber({ min: 0, max: MAX_TTL_SECONDS }));
}

function withWeight(command: Command): Command {
  return command
    .option(
      '--weight <number>',
      'how often it is the answer, among the sets of this name',
      wholeNumber({ min: 0, max: 255 }),
    )
    .option('--set <name>', 'name of the set, where a name has several');
}

function pathOf(name: string, type: string, { set }: DnsOptions): string {
  const kind = type.toUpperCase();
  if (kind === 'ZONE') return `/v1/intents/dns-zones/${encodeURIComponent(withoutDot(name))}`;
  if (kind === 'ALIAS') return `/v1/intents/dns-aliases/${encodeURIComponent(idOf(name, 'ALIAS', set))}`;
  return `/v1/intents/dns-records/${encodeURIComponent(idOf(name, checkedType(type), set))}`;
}

/** The intent's name: what it is of, so that setting it again replaces it. */
function idOf(name: string, type: IntentRecordType | 'ALIAS', set: string | undefined): string {
  return [withoutDot(name), type, ...(set === undefined ? [] : [set])].join('.').toLowerCase();
}

function checkedType(text: string): IntentRecordType {
  const type = INTENT_RECORD_TYPES.find((known) => known === text.toUpperCase());
  if (type !== undefined) return type;
  throw new SignalboxError('invalid', `"${text}" is not one of ${INTENT_RECORD_TYPES.join(', ')}`);
}

function withoutDot(name: string): string {
  return name.toLowerCase().replace(/\.$/, '');
}

function ttlOf({ ttl }: DnsOptions) {
  return ttl === undefined ? {} : { ttlSeconds: ttl };
}

function weightOf({ weight }: DnsOptions) {
  return weight === undefined ? {} : { weight };
}

const COLUMNS: readonly Column<Intent>[] = [
  { title: 'name', value: ({ intent }) => (intent.kind === 'DnsZone' ? intent.metadata.name : intent.spec.name) },
  { title: 'type', value: ({ intent }) => typeText(intent) },
  { title: 'ttl', value: ({ intent }) => intent.spec.ttlSeconds ?? '-' },
  { title: 'weight', value: ({ intent }) => (intent.kind === 'DnsZone' ? '-' : (intent.spec.weight ?? '-')) },
  { title: 'owner', value: ({ intent }) => intent.metadata.owner ?? '-' },
  { title: 'revision', value: ({ revision }) => revision },
  { title: 'value', value: ({ intent }) => valueText(intent) },
];

function typeText(intent: IntentObject): string {
  if (intent.kind === 'DnsRecords') return intent.spec.type;
  return intent.kind === 'DnsZone' ? 'ZONE' : 'ALIAS';
}

function valueText(intent: IntentObject): string {
  if (intent.kind === 'DnsRecords') return intent.spec.values.join(', ');
  if (intent.kind === 'DnsZone') return '-';
  const { cluster, namespace, name } = intent.spec.service;
  return `${namespace}/${name}${cluster === undefined ? '' : ` in ${cluster}`}`;
}

const EXAMPLES = `
Examples:
  signalbox dns set-zone example.com --ttl 300
  signalbox dns set-alias shop.example.com shop/storefront-public
  signalbox dns set www.example.com CNAME shop.example.com
  signalbox dns set example.com MX "10 mail.example.com" "20 mail2.example.com"
  signalbox dns set api.example.com A 192.0.2.1 --weight 9 --set old
  signalbox dns set api.example.com A 192.0.2.2 --weight 1 --set new
  signalbox dns list
  signalbox dns delete www.example.com CNAME`;
