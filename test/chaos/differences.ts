/** Comparison by value, told in lines short enough to be read. */

export interface Difference {
  /** For example `dns-server zone cluster.local.`. */
  readonly where: string;
  readonly expected: string;
  readonly found: string;
}

const MAX_TEXT = 600;

/** Of two sets of things by key, where a thing may be missing on either side. */
export function differencesByKey(
  where: string,
  expected: ReadonlyMap<string, unknown>,
  found: ReadonlyMap<string, unknown>,
): Difference[] {
  const keys = [...new Set([...expected.keys(), ...found.keys()])].sort();
  return keys.flatMap((key) => differences(`${where} ${key}`, expected.get(key), found.get(key)));
}

export function differences(where: string, expected: unknown, found: unknown): Difference[] {
  const [wanted, actual] = [plainText(expected), plainText(found)];
  if (wanted === actual) return [];
  return [{ where, ...apart(wanted, actual) }];
}

/** From a little before where they part. */
function apart(expected: string, found: string): { expected: string; found: string } {
  let start = 0;
  while (start < expected.length && expected[start] === found[start]) start += 1;
  const from = Math.max(0, start - 80);
  return { expected: expected.slice(from, from + MAX_TEXT), found: found.slice(from, from + MAX_TEXT) };
}

/** Objects whose fields are in another order are equal, lists in another order are not. */
export function plainText(value: unknown): string {
  return (
    JSON.stringify(value, (_key, part: unknown) => {
      if (typeof part !== 'object' || part === null || Array.isArray(part)) return part;
      return Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)));
    }) ?? 'absent'
  );
}

/** Texts of the values, in an order of their own. */
export function sorted(values: readonly unknown[]): string[] {
  return values.map(plainText).sort();
}
