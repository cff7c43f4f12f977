/**
 * The settings of transfers as text:
 *
 *     transfer to   [ZONE=]RANGE[,RANGE…][,key=NAME]            who may have the zone; without ZONE: every zone
 *     notify        ZONE=ADDRESS[:PORT][,…][,key=NAME]          whom to tell of changes; ZONE `*` is every zone
 *     push          ZONE=ADDRESS[:PORT][,…][,key=NAME][,owner=ID]   where to keep a copy by dynamic update
 *
 * Everything is checked at start; messages quote the entry at fault.
 */
import { isIP } from 'node:net';
import { SignalboxError } from '@signalbox/contracts';
import type { TsigKey } from '@signalbox/zones';
import type { DnsPeer } from './dns-client.ts';
import { parseKeyName } from './key-file.ts';

interface Entry {
  readonly text: string;
  /** Absolute, lower case; undefined for every zone. */
  readonly zone: string | undefined;
  readonly items: readonly string[];
  readonly key: TsigKey | undefined;
  readonly owner: string | undefined;
}

export interface NotifyTarget {
  /** Undefined: every zone. */
  readonly zone: string | undefined;
  readonly peer: DnsPeer;
}

export interface PushTarget {
  readonly zone: string;
  readonly owner: string;
  readonly peer: DnsPeer;
}

const DNS_PORT = 53;
const DEFAULT_OWNER = 'signalbox';
const ZONE_NAME = /^(?:[a-z0-9_/-]{1,63}\.)+$/;
const OWNER = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

export function parseNotifyTargets(entries: readonly string[], keys: readonly TsigKey[]): NotifyTarget[] {
  return entries.flatMap((text) => {
    const entry = parseEntry('notify', text, keys);
    if (!text.includes('=') || entry.owner !== undefined) throw problem('notify', text, 'it must be ZONE=ADDRESS');
    return peersOf('notify', entry).map((peer) => ({ zone: entry.zone, peer }));
  });
}

export function parsePushTargets(entries: readonly string[], keys: readonly TsigKey[]): PushTarget[] {
  return entries.flatMap((text) => {
    const entry = parseEntry('push', text, keys);
    const { zone, owner = DEFAULT_OWNER } = entry;
    if (zone === undefined) throw problem('push', text, 'it must name one zone: ZONE=ADDRESS');
    if (!OWNER.test(owner)) throw problem('push', text, 'the owner must be one DNS label');
    return peersOf('push', entry).map((peer) => ({ zone, owner, peer }));
  });
}

/** `what` is the setting, for messages. Throws `invalid`. */
export function parseEntry(what: string, text: string, keys: readonly TsigKey[]): Entry {
  const [, zoneText, rest = text] = /^(?!key=|owner=)([^=,]+)=(.*)$/.exec(text) ?? [];
  const zone = zoneText === undefined || zoneText === '*' ? undefined : `${zoneText.toLowerCase().replace(/\.$/, '')}.`;
  if (zone !== undefined && (!ZONE_NAME.test(zone) || zone.length > 254))
    throw problem(what, text, 'no such zone can be');
  const parts = rest.split(',').map((part) => part.trim());
  const items = parts.filter((part) => !part.includes('='));
  const options = new Map<string, string>();
  for (const part of parts.filter((one) => one.includes('='))) {
    const [name = '', value = ''] = part.split('=', 2);
    if (!['key', 'owner'].includes(name) || options.has(name))
      throw problem(what, text, `${JSON.stringify(part)} is not understood`);
    options.set(name, value);
  }
  return { text, zone, items, key: keyOf(what, text, options.get('key'), keys), owner: options.get('owner') };
}

export function problem(what: string, text: string, reason: string): SignalboxError {
  return new SignalboxError('invalid', `${what} ${JSON.stringify(text)}: ${reason}`);
}

function keyOf(what: string, text: string, name: string | undefined, keys: readonly TsigKey[]): TsigKey | undefined {
  if (name === undefined) return undefined;
  const wanted = parseKeyName(name);
  const key = keys.find((one) => one.name === wanted);
  if (key === undefined) throw problem(what, text, `there is no key ${JSON.stringify(name)} in the key file`);
  return key;
}

function peersOf(what: string, { text, items, key }: Entry): DnsPeer[] {
  if (items.length === 0) throw problem(what, text, 'it has no address');
  return items.map((item) => {
    const [, bracketed, afterBracket, plain, afterPlain] =
      /^(?:\[(.*)\](?::(\d+))?|([^:]*)(?::(\d+))?)$/.exec(item) ?? [];
    const address = bracketed ?? plain ?? item;
    const port = Number(afterBracket ?? afterPlain ?? DNS_PORT);
    if (isIP(address) === 0 || port < 1 || port > 0xffff) {
      throw problem(what, text, `${JSON.stringify(item)} is no IP address with a port or without`);
    }
    return { address, port, key };
  });
}
