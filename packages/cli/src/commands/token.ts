/** `signalbox token …`: who may ask the API for what. */
import { type CreatedToken, TOKEN_SCOPES, type Token } from '@signalbox/contracts';
import { type Command, Option } from 'commander';
import { type ApiFlags, openClient, withApi } from '../api-options.ts';
import type { CliIo } from '../io.ts';
import { type Column, formatTable } from '../table.ts';
import { parseSeconds } from '../time-span.ts';

interface TokenOptions extends ApiFlags {
  readonly scope: Token['scope'];
  readonly class?: readonly string[];
  readonly expiresIn?: number;
  readonly output: 'table' | 'json';
}

export function addTokenCommand(program: Command, io: CliIo): void {
  const token = program
    .command('token')
    .description('tokens for the API: create, list, delete')
    .addHelpText('afterAll', EXAMPLES);
  addCreateCommand(token, io);
  const list = token
    .command('list')
    .description('who may ask, and for what')
    .addOption(new Option('-o, --output <format>', 'how to print it').choices(['table', 'json']).default('table'));
  withApi(list).action(async (options: TokenOptions) => {
    const { items } = await openClient(options).atLeast('latest').get<{ items: Token[] }>('/v1/tokens');
    if (options.output === 'json') io.stdout.write(`${JSON.stringify(items, undefined, 2)}\n`);
    else if (items.length === 0) io.stderr.write('There are no tokens.\n');
    else io.stdout.write(`${formatTable(COLUMNS, items, io.stdout.columns)}\n`);
  });
  const remove = token.command('delete <name>').description('take a token back');
  withApi(remove).action(async (name: string, options: TokenOptions) => {
    const path = `/v1/tokens/${encodeURIComponent(name)}`;
    const { revision } = await openClient(options).send<{ revision: number }>('DELETE', path);
    io.stdout.write(`deleted at revision ${revision}\n`);
  });
}

function addCreateCommand(token: Command, io: CliIo): void {
  const command = token
    .command('create <name>')
    .description('make a token and print it, this once')
    .addOption(new Option('--scope <scope>', 'what it may do').choices(TOKEN_SCOPES).makeOptionMandatory())
    .option('--class <class>', 'of the scope integrate: a load-balancer class; repeatable; _ for none', addClass)
    .option('--expires-in <time>', 'such as 12h or 90d (default: never)', parseSeconds);
  withApi(command).action(async (name: string, options: TokenOptions) => {
    const classes = (options.class ?? []).map((text) => (text === '_' ? '' : text));
    const expiry = options.expiresIn === undefined ? {} : { expiresInSeconds: options.expiresIn };
    const body = { name, scope: options.scope, classes, ...expiry };
    const made = await openClient(options).send<CreatedToken>('POST', '/v1/tokens', { body });
    io.stdout.write(`${made.token}\n`);
    if (!made.isRequired) io.stderr.write('This API answers without tokens as well: see --api-auth.\n');
  });
}

function addClass(text: string, before: readonly string[] = []): readonly string[] {
  return [...before, text];
}

const COLUMNS: readonly Column<Token>[] = [
  { title: 'name', value: ({ name }) => name },
  { title: 'scope', value: ({ scope }) => scope },
  {
    title: 'expires',
    value: ({ expiresAt, isExpired }) => (isExpired ? 'expired' : (expiresAt?.slice(0, 16) ?? 'never')),
  },
  { title: 'created', value: ({ createdAt }) => createdAt.slice(0, 16) },
  { title: 'classes', value: ({ classes }) => classes.map((name) => name || '_').join(', ') || '-' },
];

const EXAMPLES = `
Examples:
  signalbox token create prometheus --scope read > /etc/prometheus/signalbox.token
  signalbox token create f5 --scope integrate --class example.com/f5 --expires-in 90d
  signalbox token list
  signalbox token delete f5
  SIGNALBOX_TOKEN_FILE=.signalbox/admin.token signalbox token list`;
