import { describe, expect, test } from 'vitest';
import type { Answer, AnswerCode } from '../answer-question.ts';
import { ndotsOf, walkSearchList } from './walk-search-list.ts';

const SEARCHES = ['shop.svc.c.', 'svc.c', 'c'];

/** A server that knows these names, refuses those ending in `.out.`, and has no data at `nodata…`. */
function aServer(known: readonly string[]): (question: { name: string }) => Answer {
  const reply = (code: AnswerCode, count = 0): Answer => ({
    code,
    answers: Array.from({ length: count }, () => [{ type: 'A', name: 'x.', ttlSeconds: 1, address: '10.0.0.1' }]),
    authority: [],
    additional: [],
  });
  return ({ name }) => {
    if (known.includes(name)) return reply('NOERROR', 1);
    if (name.startsWith('nodata')) return reply('NOERROR');
    return reply(name.endsWith('.out.') ? 'REFUSED' : 'NXDOMAIN');
  };
}

describe('walking the search list', () => {
  test.for<{ name: string; ask: string; conf?: object; known?: string[]; asked: string[] }>([
    {
      name: 'few dots: below each domain, the name last',
      ask: 'web',
      asked: ['web.shop.svc.c.', 'web.svc.c.', 'web.c.', 'web.'],
    },
    {
      name: 'it ends where something is found',
      ask: 'Web',
      known: ['web.svc.c.'],
      asked: ['web.shop.svc.c.', 'web.svc.c.'],
    },
    { name: 'a trailing dot: the name only', ask: 'web.', asked: ['web.'] },
    {
      name: 'ndots dots: the name first',
      ask: 'a.b',
      conf: { options: ['ndots:1'] },
      asked: ['a.b.', 'a.b.shop.svc.c.', 'a.b.svc.c.', 'a.b.c.'],
    },
    { name: 'without options ndots is 1', ask: 'a.b', conf: { options: [] }, known: ['a.b.'], asked: ['a.b.'] },
    {
      name: 'a name without data goes on',
      ask: 'nodata',
      known: ['nodata.c.'],
      asked: ['nodata.shop.svc.c.', 'nodata.svc.c.', 'nodata.c.'],
    },
    {
      name: 'a refusal ends the list',
      ask: 'web',
      conf: { searches: ['out', 'c'] },
      known: ['web.c.'],
      asked: ['web.out.', 'web.'],
    },
    {
      name: 'a refusal of the name itself does not',
      ask: 'a.out',
      conf: { options: [] },
      asked: ['a.out.', 'a.out.shop.svc.c.', 'a.out.svc.c.', 'a.out.c.'],
    },
    {
      name: 'the root in the list is the name itself',
      ask: 'web',
      conf: { searches: ['.', 'c'] },
      asked: ['web.', 'web.c.'],
    },
    { name: 'an empty list', ask: 'web', conf: { searches: [] }, asked: ['web.'] },
    {
      name: 'a name too long below a domain is left out',
      ask: 'a'.repeat(63),
      conf: { searches: [['b', 'c', 'd'].map((one) => one.repeat(63)).join('.')] },
      asked: [`${'a'.repeat(63)}.`],
    },
  ])('$name', ({ ask, conf, known = [], asked }) => {
    const resolvConf = { searches: SEARCHES, options: ['ndots:5'], ...conf };
    const steps = walkSearchList(aServer(known), { name: ask, type: 'A' }, resolvConf);
    expect(steps.map(({ question }) => question.name)).toEqual(asked);
  });

  test.for<[options: string[], ndots: number]>([
    [[], 1],
    [['ndots:5'], 5],
    [['ndots:5', 'ndots:2'], 2],
    [['ndots:99'], 15],
    [['ndots:x'], 1],
    [['ndots:0'], 0],
  ])('options %j mean ndots %i', ([options, ndots]) => {
    expect(ndotsOf({ options })).toBe(ndots);
  });
});
