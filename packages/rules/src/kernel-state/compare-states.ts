/** What a kernel should do and what it does → the differences, by service. */

import { DRIFT_DIFFERENCES_MAX, type DriftChange, type DriftDifference } from '@signalbox/contracts';
import { compareText } from '../addresses.ts';
import type { Frontend, KernelState, Route, StrayPart } from './kernel-state.ts';

export interface StateComparison {
  /** At most `DRIFT_DIFFERENCES_MAX`: parts of no service first (they explain the others), then by service. */
  readonly differences: readonly DriftDifference[];
  readonly totals: Readonly<Record<DriftChange, number>>;
}

export interface CompareOptions {
  /**
   * Also compare what is of no service: base chains, and rules and elements that nothing of ours made. Off for another
   * program's rules, which are laid out differently. On unless said.
   */
  readonly hasOurLayout?: boolean;
}

/** Both of the same family. Equal states, and only those, have no differences. */
export function compareStates(
  expected: KernelState,
  actual: KernelState,
  { hasOurLayout = true }: CompareOptions = {},
): StateComparison {
  const { family } = expected;
  const ofServices = frontendDifferences(expected, actual);
  const explained = new Set(ofServices.map(({ at }) => at));
  const parts = [
    ...(hasOurLayout ? structureDifferences(expected, actual) : []),
    ...(hasOurLayout ? strayDifferences(expected, actual, explained) : []),
    ...closedDifferences(expected, actual),
  ];
  const all = [...parts, ...ofServices.sort((a, b) => compareText(a.service, b.service) || compareText(a.at, b.at))];
  const count = (what: DriftChange): number => all.filter((difference) => difference.what === what).length;
  return {
    differences: all.slice(0, DRIFT_DIFFERENCES_MAX).map((difference) => ({ family, ...difference })),
    totals: { added: count('added'), missing: count('missing'), changed: count('changed') },
  };
}

type Difference = Omit<DriftDifference, 'family'>;

/** Families together, still bounded. */
export function mergeComparisons(comparisons: readonly StateComparison[]): StateComparison {
  const sum = (what: DriftChange): number => comparisons.reduce((total, { totals }) => total + totals[what], 0);
  return {
    differences: comparisons.flatMap(({ differences }) => differences).slice(0, DRIFT_DIFFERENCES_MAX),
    totals: { added: sum('added'), missing: sum('missing'), changed: sum('changed') },
  };
}

/** Chains that only the kernel has are other programs' unless packets come to them by a hook in our table. */
function structureDifferences(expected: KernelState, actual: KernelState): Difference[] {
  const strangers = [...actual.structure].filter(([name]) => !expected.structure.has(name));
  return [
    ...[...expected.structure].flatMap(([name, rules]) => partDifferences(name, rules, actual.structure.get(name))),
    ...strangers
      .filter(([, rules]) => rules[0]?.startsWith('type ') === true)
      .map(([name, rules]) => added(partOf(name), listText(rules))),
  ];
}

function partDifferences(name: string, rules: readonly string[], found: readonly string[] | undefined): Difference[] {
  const part = partOf(name);
  if (found === undefined) return rules.length > 0 ? [missing(part, listText(rules))] : [];
  const lacking = withoutEach(rules, found);
  const extra = withoutEach(found, rules);
  const isReordered = lacking.length + extra.length === 0 && rules.some((rule, index) => rule !== found[index]);
  return [
    ...lacking.map((rule) => missing(part, bounded(rule))),
    ...extra.map((rule) => added(part, bounded(rule))),
    ...(isReordered ? [{ ...part, what: 'changed' as const, expected: listText(rules), actual: listText(found) }] : []),
  ];
}

type Part = Pick<Difference, 'service' | 'where' | 'at'>;

function partOf(name: string): Part {
  return { service: '', where: whereOf(name), at: placeText(name) };
}

function missing(part: Part, expected: string): Difference {
  return { ...part, what: 'missing', expected, actual: '' };
}

function added(part: Part, actual: string): Difference {
  return { ...part, what: 'added', expected: '', actual };
}

/** Those of `rules` that are left when each of `others` has taken away one like it. */
function withoutEach(rules: readonly string[], others: readonly string[]): string[] {
  const left = [...others];
  return rules.filter((rule) => {
    const index = left.indexOf(rule);
    if (index >= 0) left.splice(index, 1);
    return index < 0;
  });
}

const FILTER_PART = /^(filter|source-ranges|no-endpoints|cluster-ips|reject)/;

function whereOf(name: string): Difference['where'] {
  return FILTER_PART.test(name) ? 'filter' : 'nat';
}

function placeText(name: string): string {
  return name.startsWith('@') ? `set ${name.slice(1)}` : `chain ${name}`;
}

/**
 * Elements of a frontend that differs are its remains, and not reported again. A hairpin endpoint that is missing is seen in
 * the routes to it.
 */
function strayDifferences(expected: KernelState, actual: KernelState, explained: ReadonlySet<string>): Difference[] {
  const hairpins = [...(actual.hairpins ?? [])].filter((address) => expected.hairpins?.has(address) === false);
  const parts: StrayPart[] = hairpins.map((text) => ({ where: 'nat', at: 'set hairpin', text }));
  const strays = actual.strays.filter(({ frontend }) => frontend === undefined || !explained.has(frontend));
  return [...strays, ...parts].map(({ where, at, text }) => added({ service: '', where, at }, bounded(text)));
}

function closedDifferences(expected: KernelState, actual: KernelState): Difference[] {
  const [wanted, found] = [expected.closedAddresses, actual.closedAddresses];
  if (wanted === undefined || found === undefined) return [];
  const refuses = 'other ports refused';
  const lacking = [...wanted].filter(([address]) => !found.has(address));
  const extra = [...found].filter(([address]) => !wanted.has(address));
  return [
    ...lacking.map(([at, service]) => missing({ service, where: 'filter', at }, refuses)),
    ...extra.map(([at, service]) => added({ service, where: 'filter', at }, refuses)),
  ];
}

function frontendDifferences(expected: KernelState, actual: KernelState): Difference[] {
  const keys = new Set([...expected.frontends.keys(), ...actual.frontends.keys()]);
  return [...keys].flatMap((at) => {
    const [wanted, found] = [expected.frontends.get(at) ?? NOTHING, actual.frontends.get(at) ?? NOTHING];
    const service = wanted.service || found.service;
    const nat = areRoutesEqual(wanted, found) ? [] : [{ where: 'nat', ...routesTexts(wanted, found) } as const];
    const texts = { expected: filterText(wanted), actual: filterText(found) };
    const filter = texts.expected === texts.actual ? [] : [{ where: 'filter', ...texts } as const];
    return [...nat, ...filter].map((difference) => ({
      service,
      what: changeOf(difference),
      at,
      ...difference,
    }));
  });
}

const NOTHING: Frontend = { service: '', routes: new Map(), verdict: undefined, sourceRanges: undefined };

function changeOf({ expected, actual }: { expected: string; actual: string }): DriftChange {
  if (expected === '') return 'added';
  return actual === '' ? 'missing' : 'changed';
}

function areRoutesEqual(wanted: Frontend, found: Frontend): boolean {
  if (wanted.routes.size !== found.routes.size) return false;
  return [...wanted.routes].every(([source, route]) => isRouteEqual(route, found.routes.get(source)));
}

/** Chances are written with ten digits at most; the smallest of them that is made is 1 in 1,000. */
const SHARE_TOLERANCE = 1e-5;

function isRouteEqual(wanted: Route, found: Route | undefined): boolean {
  if (found === undefined || wanted.endpoints.size !== found.endpoints.size) return false;
  if (wanted.affinitySeconds !== found.affinitySeconds) return false;
  if (found.masquerade !== 'unknown' && wanted.masquerade !== found.masquerade) return false;
  return [...wanted.endpoints].every(([target, { share, isHairpinMasqueraded }]) => {
    const other = found.endpoints.get(target);
    if (other === undefined || Math.abs(share - other.share) > SHARE_TOLERANCE) return false;
    // Masquerading an endpoint that cannot come to itself is without effect.
    return !isHairpinMasqueraded || other.isHairpinMasqueraded;
  });
}

/** Only sources whose route differs; all of them when the other side has none. */
function routesTexts(wanted: Frontend, found: Frontend): { expected: string; actual: string } {
  const differing = [...new Set([...wanted.routes.keys(), ...found.routes.keys()])].filter((source) => {
    const route = wanted.routes.get(source);
    return route === undefined || !isRouteEqual(route, found.routes.get(source));
  });
  const textOf = ({ routes }: Frontend): string => {
    const texts = differing.map((source) => [source, routeText(routes.get(source))] as const);
    const distinct = new Set(texts.map(([, text]) => text));
    const [only] = distinct;
    if (routes.size === 0) return '';
    return bounded(
      distinct.size === 1 && only !== undefined
        ? only
        : texts.map(([source, text]) => `from ${source}: ${text}`).join('; '),
    );
  };
  return { expected: textOf(wanted), actual: textOf(found) };
}

const ENDPOINTS_SHOWN = 6;

function routeText(route: Route | undefined): string {
  if (route === undefined) return 'nothing';
  const targets = [...route.endpoints].sort(([a], [b]) => compareText(a, b));
  const isEven = targets.every(([, { share }]) => Math.abs(share - 1 / targets.length) <= SHARE_TOLERANCE);
  const shown = targets.slice(0, ENDPOINTS_SHOWN).map(([target, { share, isHairpinMasqueraded }]) => {
    const percent = isEven ? '' : ` (${Number((share * 100).toFixed(2))}%)`;
    return `${target}${percent}${isHairpinMasqueraded ? ' hairpin' : ''}`;
  });
  const more = targets.length > ENDPOINTS_SHOWN ? [`${targets.length - ENDPOINTS_SHOWN} more`] : [];
  const masquerade = route.masquerade === 'never' ? [] : [`masquerade ${route.masquerade}`];
  const affinity = route.affinitySeconds === undefined ? [] : [`affinity ${route.affinitySeconds}`];
  return [[...shown, ...more].join(', '), ...masquerade, ...affinity].join('; ');
}

function filterText({ verdict, sourceRanges }: Frontend): string {
  const ranges = sourceRanges === undefined ? [] : [`only from ${sourceRanges.join(', ') || 'nobody'}`];
  return bounded([...(verdict === undefined ? [] : [verdict]), ...ranges].join('; '));
}

function listText(rules: readonly string[]): string {
  return bounded(rules.join(' | '));
}

const TEXT_LENGTH_MAX = 400;

/** Differences come from a kernel that anybody may have written to. */
function bounded(text: string): string {
  return text.length <= TEXT_LENGTH_MAX ? text : `${text.slice(0, TEXT_LENGTH_MAX - 1)}…`;
}
