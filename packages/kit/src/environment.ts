/**
 * SIGNALBOX_… variables that no option of this process reads: a mistyped name must not look like a setting that was made.
 * They are named, not refused, because one environment is often shared by several services.
 */

const PREFIX = 'SIGNALBOX_';
/** What Kubernetes tells containers about Services whose name begins with `signalbox`. */
const SERVICE_LINK = /_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)$/;
const MAX_DISTANCE = 3;

export interface UnknownVariable {
  readonly name: string;
  /** A known one that is spelt almost like it. */
  readonly meant: string | undefined;
}

export function unknownVariables(environment: NodeJS.ProcessEnv, known: readonly string[]): UnknownVariable[] {
  const names = Object.keys(environment).filter((name) => name.startsWith(PREFIX) && !SERVICE_LINK.test(name));
  return names
    .filter((name) => !known.includes(name))
    .sort()
    .map((name) => ({ name, meant: nearest(name, known) }));
}

/** An empty variable is one that is not set: files and charts that fill in templates leave them so. */
export function dropEmptyVariables(environment: NodeJS.ProcessEnv): void {
  for (const name of Object.keys(environment)) {
    if (name.startsWith(PREFIX) && environment[name] === '') delete environment[name];
  }
}

function nearest(name: string, known: readonly string[]): string | undefined {
  const [best] = known
    .map((candidate) => ({ candidate, distance: distanceOf(name, candidate) }))
    .sort((a, b) => a.distance - b.distance);
  return best !== undefined && best.distance <= MAX_DISTANCE ? best.candidate : undefined;
}

/** Levenshtein's, one row at a time. */
function distanceOf(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
