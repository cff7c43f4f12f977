/** Flags of every command that asks the API: where it is, and who asks. */
import { readFileSync } from 'node:fs';
import { errorText, SignalboxError } from '@signalbox/contracts';
import { settingOption } from '@signalbox/kit';
import type { Command } from 'commander';
import { ApiClient } from './api-client.ts';

const DEFAULT_API = 'http://127.0.0.1:7070';

export interface ApiFlags {
  readonly api: string;
  readonly token?: string;
  readonly tokenFile?: string;
  readonly ca?: string;
}

export function withApi(command: Command, remark = ''): Command {
  return command
    .addOption(settingOption('--api <url>', `address of the API${remark}`).default(DEFAULT_API))
    .addOption(settingOption('--token <token>', 'token for the API; better in a file: other users see arguments'))
    .addOption(settingOption('--token-file <file>', 'file that holds the token'))
    .addOption(settingOption('--ca <file>', 'certificate authorities to trust for the API, PEM'));
}

export function openClient({ api, token, tokenFile, ca }: ApiFlags): ApiClient {
  const fromFile = tokenFile === undefined ? undefined : readText('--token-file', tokenFile).trim();
  return new ApiClient(api, {
    token: token ?? fromFile,
    ca: ca === undefined ? undefined : readText('--ca', ca),
  });
}

function readText(flag: string, file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    throw new SignalboxError('invalid', `${flag}: cannot read ${file}: ${errorText(cause)}`, { cause });
  }
}
