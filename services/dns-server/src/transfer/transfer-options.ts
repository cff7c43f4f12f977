/** The settings of transfers as flags, for every process that has a DNS server in it. */
import { settingOption } from '@signalbox/kit';
import { readKeyFile } from './key-file.ts';
import type { TransferSettings } from './start-transfers.ts';

export interface TransferFlags {
  readonly dnsTransferTo?: readonly string[];
  readonly dnsNotify?: readonly string[];
  readonly dnsPush?: readonly string[];
  readonly dnsKeyFile?: string;
}

/** Each may be repeated; several in one environment variable are separated by blanks. */
export function transferOptions(): ReturnType<typeof settingOption>[] {
  return [
    settingOption('--dns-key-file <file>', 'TSIG keys, as tsig-keygen prints them'),
    settingOption(
      '--dns-transfer-to <rules>',
      'who may transfer zones: [ZONE=]RANGE[,RANGE...][,key=NAME] (repeatable; default: loopback)',
    ).argParser(collect),
    settingOption(
      '--dns-notify <targets>',
      'secondaries to tell of changes: ZONE=ADDRESS[:PORT][,...][,key=NAME], ZONE * for all (repeatable)',
    ).argParser(collect),
    settingOption(
      '--dns-push <targets>',
      'servers to keep a copy at by dynamic update: ZONE=ADDRESS[:PORT][,...][,key=NAME][,owner=ID] (repeatable)',
    ).argParser(collect),
  ];
}

/** Reads the key file; throws `invalid` where it cannot be used. */
export async function readTransferSettings(flags: TransferFlags): Promise<TransferSettings> {
  const { dnsTransferTo, dnsNotify = [], dnsPush = [], dnsKeyFile } = flags;
  const tsigKeys = dnsKeyFile === undefined ? [] : await readKeyFile(dnsKeyFile);
  return { tsigKeys, notify: dnsNotify, push: dnsPush, ...(dnsTransferTo && { transferTo: dnsTransferTo }) };
}

function collect(text: string, before: readonly string[] = []): string[] {
  return [...before, ...text.split(/[\s;]+/).filter((entry) => entry !== '')];
}
