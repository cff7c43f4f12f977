/**
 * Label selectors as kubectl has them: requirements joined by commas, all of which must hold.
 *
 *     a=b  a==b       has the label with this value
 *     a!=b            has another value, or no such label
 *     a in (x,y)      has one of the values
 *     a notin (x,y)   has none of the values, or no such label
 *     a      !a       has, has not, the label
 */
import { SignalboxError } from '@signalbox/contracts';

type Labels = Readonly<Record<string, string>>;
export type LabelSelector = (labels: Labels) => boolean;

const KEY = String.raw`(?:[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?\/)?[A-Za-z0-9](?:[-\w.]{0,61}[A-Za-z0-9])?`;
const VALUE = String.raw`(?:[A-Za-z0-9](?:[-\w.]{0,61}[A-Za-z0-9])?)?`;
const EXISTS = new RegExp(`^(!?)\\s*(${KEY})$`);
const EQUALS = new RegExp(`^(${KEY})\\s*(==|=|!=)\\s*(${VALUE})$`);
const IN_SET = new RegExp(`^(${KEY})\\s+(in|notin)\\s*\\(([^()]*)\\)$`);
const ONE_VALUE = new RegExp(`^${VALUE}$`);

/** Throws `invalid`, naming the requirement that cannot be read. An empty text selects everything. */
export function parseLabelSelector(text: string): LabelSelector {
  const requirements = splitOutsideParentheses(text).map((part) => part.trim());
  if (requirements.length === 1 && requirements[0] === '') return () => true;
  const tests = requirements.map(parseRequirement);
  return (labels) => tests.every((test) => test(labels));
}

function parseRequirement(text: string): LabelSelector {
  const exists = EXISTS.exec(text);
  if (exists !== null) {
    const [, not, key = ''] = exists;
    return (labels) => Object.hasOwn(labels, key) === (not === '');
  }
  const equals = EQUALS.exec(text);
  if (equals !== null) {
    const [, key = '', operator, value = ''] = equals;
    return (labels) => (labelValue(labels, key) === value) === (operator !== '!=');
  }
  const inSet = IN_SET.exec(text);
  const values = inSet?.[3]?.split(',').map((value) => value.trim());
  if (inSet === null || values === undefined || !values.every((value) => ONE_VALUE.test(value))) {
    throw new SignalboxError('invalid', `labelSelector: cannot read the requirement ${JSON.stringify(text)}`);
  }
  const [, key = '', operator] = inSet;
  return (labels) => {
    const value = labelValue(labels, key);
    return (value !== undefined && values.includes(value)) === (operator === 'in');
  };
}

function labelValue(labels: Labels, key: string): string | undefined {
  return Object.hasOwn(labels, key) ? labels[key] : undefined;
}

function splitOutsideParentheses(text: string): string[] {
  return text.split(/,(?![^()]*\))/);
}
