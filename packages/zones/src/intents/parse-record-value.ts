/** The value of a record as people write it → the record's data, checked as the RFC of its type says. */
import type { DnsRecord, IntentRecordType } from '@signalbox/contracts';
import { parseAddress } from '../addresses.ts';
import { absolute, isName, parseHostName } from '../names.ts';

type WithoutOwner<Record> = Record extends DnsRecord ? Omit<Record, 'name' | 'ttlSeconds' | 'choice'> : never;
export type RecordValue = WithoutOwner<DnsRecord>;

/** The problem is a sentence about the value, for whoever wrote it. */
export type ParsedValue = { readonly value: RecordValue } | { readonly problem: string };

export function parseRecordValue(type: IntentRecordType, text: string): ParsedValue {
  switch (type) {
    case 'A':
    case 'AAAA':
      return parseAddressValue(type, text);
    case 'CNAME':
      return named(text, isName, (target) => ({ type, target }), 'a domain name');
    case 'NS':
      // RFC 1035 §3.3.11: it has to be a host.
      return named(text, isHost, (target) => ({ type, target }), 'a host name');
    case 'MX':
      return parseMx(text);
    case 'SRV':
      return parseSrv(text);
    case 'TXT':
      return { value: { type, text: [text] } };
    case 'CAA':
      return parseCaa(text);
  }
}

function parseAddressValue(type: 'A' | 'AAAA', text: string): ParsedValue {
  const family = type === 'A' ? 'IPv4' : 'IPv6';
  const address = parseAddress(text.trim());
  if (address?.family !== family) return { problem: `${JSON.stringify(text)} is not an ${family} address` };
  return { value: { type, address: address.text } };
}

function isHost(name: string): boolean {
  return parseHostName(name) !== undefined;
}

function named(
  text: string,
  isRight: (name: string) => boolean,
  make: (name: string) => RecordValue,
  what: string,
): ParsedValue {
  const name = absolute(text.trim());
  return isRight(name) ? { value: make(name) } : { problem: `${JSON.stringify(text)} is not ${what}` };
}

/** RFC 1035 §3.3.9; `0 .` says that the name takes no mail (RFC 7505). */
function parseMx(text: string): ParsedValue {
  const [preference = '', exchange = '', ...rest] = text.trim().split(/\s+/);
  if (!isUint16(preference) || exchange === '' || rest.length > 0) {
    return { problem: `${JSON.stringify(text)} is not PREFERENCE HOST, for example 10 mail.example.com` };
  }
  if (exchange === '.') return { value: { type: 'MX', preference: Number(preference), exchange } };
  return named(exchange, isHost, (name) => ({ type: 'MX', preference: Number(preference), exchange: name }), 'a host');
}

/** RFC 2782; the target `.` says that there is no such service. */
function parseSrv(text: string): ParsedValue {
  const [priority = '', weight = '', port = '', target = '', ...rest] = text.trim().split(/\s+/);
  if (![priority, weight, port].every(isUint16) || target === '' || rest.length > 0) {
    return {
      problem: `${JSON.stringify(text)} is not PRIORITY WEIGHT PORT TARGET, for example 0 5 5060 sip.example.com`,
    };
  }
  const numbers = { priority: Number(priority), weight: Number(weight), port: Number(port) };
  if (target === '.') return { value: { type: 'SRV', ...numbers, target } };
  return named(target, isName, (name) => ({ type: 'SRV', ...numbers, target: name }), 'a domain name');
}

/** RFC 8659 §4.1.1: `0 issue "ca.example"`. The quotes may be left out where there is no space. */
function parseCaa(text: string): ParsedValue {
  const match = /^\s*(\d{1,3})\s+([A-Za-z0-9]{1,15})\s+(?:"([ -!#-[\]-~]*)"|([!#-[\]-~]+))\s*$/.exec(text);
  const [, flags = '', tag = '', quoted, bare = ''] = match ?? [];
  if (match === null || Number(flags) > 255) {
    return { problem: `${JSON.stringify(text)} is not FLAGS TAG "VALUE", for example 0 issue "ca.example.com"` };
  }
  return { value: { type: 'CAA', flags: Number(flags), tag: tag.toLowerCase(), value: quoted ?? bare } };
}

function isUint16(text: string): boolean {
  return /^\d{1,5}$/.test(text) && Number(text) <= 0xffff;
}
