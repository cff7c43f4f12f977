/**
 * How a pod's resolver looks for a name: which names it asks for, in which order, and where it stops. glibc's way
 * (res_search), which is what `ndots` and `search` are documented by (resolv.conf(5)).
 *
 *   name ends with a dot         only the name itself
 *   ndots dots or more           the name itself, then the name below each search domain
 *   fewer                        the name below each search domain, then the name itself
 *
 * A step that finds nothing (no such name, no data, not available) goes on to the next one; a refusal below a search
 * domain ends the list, after which only the name itself is still tried. musl differs: it stops at the first name that exists.
 */
import type { Answer, Question } from '../answer-question.ts';
import { isName } from '../names.ts';
import type { ResolvConf } from './resolv-conf.ts';

/** glibc's, where resolv.conf does not say, and the most that it takes. */
const DEFAULT_NDOTS = 1;
const MAX_NDOTS = 15;

export interface ResolveStep {
  readonly question: Question;
  /** Search domain that the name was looked for below; undefined for the name itself. */
  readonly searchDomain: string | undefined;
  readonly answer: Answer;
}

/** The steps up to the first that finds something, or all of them. A name that DNS cannot hold is not asked for. */
export function walkSearchList(
  answer: (question: Question) => Answer,
  { name, type }: { readonly name: string; readonly type: string },
  resolvConf: Pick<ResolvConf, 'searches' | 'options'>,
): ResolveStep[] {
  const steps: ResolveStep[] = [];
  let isRefused = false;
  for (const searchDomain of tries(name.toLowerCase(), resolvConf)) {
    if (isRefused && searchDomain !== undefined) continue;
    const question = { name: below(name.toLowerCase(), searchDomain), type };
    if (!isName(question.name) && question.name !== '.') continue;
    const step = { question, searchDomain, answer: answer(question) };
    steps.push(step);
    if (isFound(step)) return steps;
    isRefused ||= searchDomain !== undefined && step.answer.code === 'REFUSED';
  }
  return steps;
}

/** An alias that leads out of the zones is found too: the asker goes on from there, and down no other step. */
export function isFound({ answer }: ResolveStep): boolean {
  return answer.code === 'NOERROR' && answer.answers.length > 0;
}

export function ndotsOf({ options }: Pick<ResolvConf, 'options'>): number {
  const text = options.findLast((option) => option.startsWith('ndots:'))?.slice('ndots:'.length);
  const ndots = Number(text ?? DEFAULT_NDOTS);
  return Number.isInteger(ndots) && ndots >= 0 ? Math.min(ndots, MAX_NDOTS) : DEFAULT_NDOTS;
}

/** Search domains in order, undefined for the name itself. */
function tries(name: string, conf: Pick<ResolvConf, 'searches' | 'options'>): (string | undefined)[] {
  if (name.endsWith('.')) return [undefined];
  const dots = name.split('.').length - 1;
  if (dots >= ndotsOf(conf)) return [undefined, ...conf.searches];
  // The root in the list is the name itself, tried at its place and not again.
  return conf.searches.includes('.') ? [...conf.searches] : [...conf.searches, undefined];
}

function below(name: string, domain: string | undefined): string {
  const whole = domain === undefined || domain === '.' ? name : `${name}.${domain}`;
  return whole.endsWith('.') ? whole : `${whole}.`;
}
