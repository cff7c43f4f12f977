/** What changed in one family → a shell script that changes it. */
import type { Family } from '../addresses.ts';
import type { PartsDelta, SharedEntry } from '../kernel-parts.ts';
import { ADDRESSES, addressText } from './ipvs-parts.ts';
import { serverUpdates } from './live-changes.ts';
import { changeDocument, hereDocument } from './render-ipvs.ts';
import { REAL_SERVERS, VIRTUAL_SERVERS } from './virtual-servers.ts';

/**
 * Additions first, then removals: an address answers only after it has a server, and a server goes only after its address.
 * Empty for no change.
 */
export function updateIpvs(family: Family, { addedEntries, removedEntries }: PartsDelta): string {
  const changed = new Set(removedEntries.map(identityOf));
  const kept = new Set(addedEntries.map(identityOf));
  const gone = removedEntries.filter((entry) => !kept.has(identityOf(entry)));
  const lines = [
    ...hereDocument('ipset -exist restore', setLines('add', addedEntries)),
    ...serverDocument(family, [
      ...addedEntries
        .filter(isVirtual)
        .map((entry) => `${changed.has(identityOf(entry)) ? '-E' : '-A'} ${text(entry)}`),
      ...addedEntries.filter(isReal).map((entry) => `${changed.has(identityOf(entry)) ? '-e' : '-a'} ${text(entry)}`),
    ]),
    ...hereDocument('ip -batch -', addressLines('add', family, addedEntries)),
    ...hereDocument('ip -batch -', addressLines('del', family, gone)),
    ...serverDocument(family, [
      ...gone.filter(isReal).map(({ key }) => `-d ${key}`),
      ...gone.filter(isVirtual).map(({ key }) => `-D ${key}`),
    ]),
    ...hereDocument('ipset -exist restore', setLines('del', gone)),
  ];
  return lines.length === 0 ? '' : `${['#!/bin/sh', 'set -eu', ...lines].join('\n')}\n`;
}

/** Connections that are open outlive their endpoint: what is there of the servers at hand decides how. */
function serverDocument(family: Family, lines: readonly string[]): string[] {
  const servers = [...new Set(lines.map((line) => line.split(' ').slice(1, 3).join(' ')))];
  const list = `for server in ${servers.map((server) => `'${server}'`).join(' ')}; do ipvsadm --list --numeric $server 2>/dev/null; done`;
  return lines.length === 0 ? [] : changeDocument(list, serverUpdates(family), 'ipvsadm --restore', lines);
}

function setLines(command: 'add' | 'del', entries: readonly SharedEntry[]): string[] {
  const members = entries.filter((entry) => !isVirtual(entry) && !isReal(entry) && entry.container !== ADDRESSES);
  return members.map(({ container, key }) => `${command} ${container} ${key}`);
}

function addressLines(command: 'add' | 'del', family: Family, entries: readonly SharedEntry[]): string[] {
  const addresses = entries.filter(({ container }) => container === ADDRESSES);
  return addresses.map(({ key }) => `addr ${command} ${addressText(family, key)}`);
}

function isVirtual({ container }: SharedEntry): boolean {
  return container === VIRTUAL_SERVERS;
}

function isReal({ container }: SharedEntry): boolean {
  return container === REAL_SERVERS;
}

function identityOf({ container, key }: SharedEntry): string {
  return `${container} ${key}`;
}

function text({ key, value }: SharedEntry): string {
  return `${key} ${value}`;
}
