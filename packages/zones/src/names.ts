/**
 * Domain names as text: absolute, lower case, with trailing dot (RFC 1035 §2.3).
 *
 * A name that this package makes or accepts holds only letters, digits, `-`, `_`, `*` and `/`, so that it is the same
 * text in a zone file, in a log and in a question, and never needs an escape.
 */

/** Longest label, and longest name: 255 octets on the wire are 254 characters here, the trailing dot included. */
const MAX_LABEL_LENGTH = 63;
const MAX_NAME_LENGTH = 254;

const NAME = /^(?:[a-z0-9_*/-]{1,63}\.)+$/;
/** What may stand in a host name (RFC 952, RFC 1123 §2.1). */
const HOST_LABEL = /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/;

export function isName(name: string): boolean {
  return name.length <= MAX_NAME_LENGTH && NAME.test(name);
}

export function isHostLabel(label: string): boolean {
  return label.length <= MAX_LABEL_LENGTH && HOST_LABEL.test(label);
}

/** `Cluster.Local` → `cluster.local.`; undefined for what is not a host name. An IPv4 address is not one. */
export function parseHostName(text: string): string | undefined {
  const name = absolute(text);
  const labels = name.slice(0, -1).split('.');
  const isNumeric = /^[0-9]+$/.test(labels.at(-1) ?? '');
  return isName(name) && labels.every(isHostLabel) && !isNumeric ? name : undefined;
}

/** Lower case, with exactly the trailing dot that makes a name absolute. */
export function absolute(name: string): string {
  const lower = name.toLowerCase();
  return lower.endsWith('.') ? lower : `${lower}.`;
}

/** The name one label up; undefined above the root. */
export function parentOf(name: string): string | undefined {
  if (name === '.') return undefined;
  const dot = name.indexOf('.');
  return dot === name.length - 1 ? '.' : name.slice(dot + 1);
}

export function isBelowOrEqual(name: string, ancestor: string): boolean {
  return name.endsWith(ancestor) && (name.length === ancestor.length || name.at(-ancestor.length - 1) === '.');
}

/**
 * Comparing these as text orders names as DNSSEC does (RFC 4034 §6.1): label by label from the root. Each label ends with
 * NUL, which sorts below every character of a label, so a parent precedes its children, and `web` comes before `web-2`.
 */
export function nameSortKey(name: string): string {
  let key = '';
  for (let end = name.length - 1; end > 0; ) {
    const dot = name.lastIndexOf('.', end - 1);
    key += `${name.slice(dot + 1, end)}\0`;
    end = dot;
  }
  return key;
}
