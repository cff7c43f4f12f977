/** Flags of every command that asks the API: where it is, and who asks. */
import { readFileSync } from 'node:fs';
import { errorText, type MinRevision, SignalboxError } from '@signalbox/contracts';
import { settingOption } from '@signalbox/kit';
import { type Command, InvalidArgumentError } from 'commander';
import { ApiClient } from './api-client.ts';

const DEFAULT_API = 'http://127.0.0.1:7070';

export interface ApiFlags {
  readonly api: string;
  readonly token?: string;
  readonly tokenFile?: string;
  readonly ca?: string;
  readonly minRevision?: MinRevision;
}

export function withApi(command: Command, remark = ''): Command {
  return command
    .addOption(settingOption('--api <url>', `address of the API${remark}`).default(DEFAULT_API))
    .addOption(settingOption('--token <token>', 'token for the API; better in a file: other users see arguments'))
    .addOption(settingOption('--token-file <file>', 'file that holds the token'))
    .addOption(settingOption('--ca <file>', 'certificate authorities to trust for the API, PEM'))
    .addOption(
      settingOption('--min-revision <revision>', 'wait for a replica that has this revision, or "latest"').argParser(
        parseMinRevision,
      ),
    );
}

function parseMinRevision(text: string): MinRevision {
  if (text === 'latest') return text;
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('It must be a number, or "latest".');
}

export function openClient({ api, token, tokenFile, ca, minRevision }: ApiFlags): ApiClient {
  const fromFile = tokenFile === undefined ? undefined : readText('--token-file', tokenFile).trim();
  return new ApiClient(api, {
    token: token ?? fromFile,
    ca: ca === undefined ? undefined : readText('--ca', ca),
    minRevision,
  });
}

function readText(flag: string, file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    throw new SignalboxError('invalid', `${flag}: cannot read ${file}: ${errorText(cause)}`, { cause });
  }
}
