import { expect, test } from 'vitest';
import { parseLabelSelector } from './label-selector.ts';

const LABELS = { app: 'web', tier: 'front', 'example.com/team': 'shop', empty: '' };

test.for([
  ['', true],
  ['app=web', true],
  ['app==web', true],
  ['app = web , tier = front', true],
  ['app=web,tier=back', false],
  ['app!=web', false],
  ['missing!=anything', true],
  ['example.com/team=shop', true],
  ['app in (web, api)', true],
  ['app in (api)', false],
  ['missing in (web)', false],
  ['app notin (api,db)', true],
  ['app notin (web)', false],
  ['missing notin (web)', true],
  ['app', true],
  ['missing', false],
  ['!missing', true],
  ['!app', false],
  ['empty=', true],
  ['app=', false],
  ['empty in ()', true],
  ['toString', false],
  ['app in (web),!missing,tier!=back', true],
] as const)('%s selects: %s', ([selector, expected]) => {
  expect(parseLabelSelector(selector)(LABELS)).toBe(expected);
});

test.for(['a in b', 'a=b=c', '-a', 'a in (b', '=b', 'a,,b', 'a b', 'a in (b))', `a=${'x'.repeat(64)}`, 'a>1'])(
  '%s cannot be read, and is named',
  (selector) => {
    expect(() => parseLabelSelector(selector)).toThrow(/^labelSelector: cannot read the requirement /);
  },
);
