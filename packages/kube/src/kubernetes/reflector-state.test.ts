import { describe, expect, test } from 'vitest';
import type { FailureReason } from './api-failure.ts';
import { INITIAL_STATE, type ReflectorEvent, type ReflectorState, transition } from './reflector-state.ts';

const LISTING: ReflectorState = { ...INITIAL_STATE, read: 'list', usesWatchList: false };
const WATCHING: ReflectorState = { ...INITIAL_STATE, read: 'watch', resourceVersion: '7', status: 'watching' };

function failed(reason: FailureReason, wasHealthy = false): ReflectorEvent {
  return { type: 'failed', reason, message: reason, wasHealthy };
}

function run(state: ReflectorState, ...events: ReflectorEvent[]): ReflectorState {
  return events.reduce(transition, state);
}

describe('good days', () => {
  test('a watch-list is a watch once it is synced', () => {
    const state = run(INITIAL_STATE, { type: 'opened' });
    expect(state).toMatchObject({ read: 'watch-list', status: 'syncing' });
    expect(run(state, { type: 'synced', resourceVersion: '7' })).toMatchObject(WATCHING);
  });

  test('after a list the state is current only when the watch is open', () => {
    const state = run(LISTING, { type: 'synced', resourceVersion: '7' });
    expect(state).toMatchObject({ read: 'watch', resourceVersion: '7', status: 'syncing' });
    expect(run(state, { type: 'opened' })).toMatchObject({ status: 'watching' });
  });

  test('a watch advances, and keeps its position where an event has none', () => {
    const state = run(WATCHING, { type: 'advanced', resourceVersion: '9' }, { type: 'advanced', resourceVersion: '' });
    expect(state).toMatchObject({ resourceVersion: '9', status: 'watching' });
  });

  test('a watch that ends in good order is resumed at once', () => {
    expect(run(WATCHING, { type: 'ended', wasHealthy: true })).toEqual(WATCHING);
  });
});

describe('failures', () => {
  test.for<{ name: string; from: ReflectorState; event: ReflectorEvent; to: Partial<ReflectorState> }>([
    {
      name: 'a cut watch goes on where it was',
      from: WATCHING,
      event: failed('connection'),
      to: { read: 'watch', resourceVersion: '7', status: 'reconnecting', pause: 'back-off', failures: 1 },
    },
    {
      name: 'a watch that ends at once counts as cut',
      from: WATCHING,
      event: { type: 'ended', wasHealthy: false },
      to: { read: 'watch', status: 'reconnecting', pause: 'back-off', failures: 1 },
    },
    {
      name: 'a position that is too old begins again',
      from: WATCHING,
      event: failed('expired'),
      to: { read: 'watch-list', status: 'syncing', pause: 'back-off' },
    },
    {
      name: 'the same without watch-lists',
      from: { ...WATCHING, usesWatchList: false },
      event: failed('expired'),
      to: { read: 'list', status: 'syncing', usesPages: true },
    },
    {
      name: 'an old page is followed by a whole list',
      from: LISTING,
      event: failed('expired'),
      to: { read: 'list', usesPages: false },
    },
    {
      name: 'a refused watch-list is a list at once, and no failure',
      from: INITIAL_STATE,
      event: failed('rejected'),
      to: { read: 'list', usesWatchList: false, pause: 'none', failures: 0, status: 'syncing' },
    },
    {
      name: 'a refused watch begins again',
      from: WATCHING,
      event: failed('rejected'),
      to: { read: 'watch-list', status: 'failed' },
    },
    {
      name: 'what cannot be read begins again',
      from: WATCHING,
      event: failed('unreadable'),
      to: { read: 'watch-list', status: 'failed' },
    },
    {
      name: 'what the sink did not take begins again',
      from: WATCHING,
      event: failed('sink'),
      to: { read: 'watch-list', status: 'failed' },
    },
    {
      name: 'throttled is never unreachable',
      from: { ...WATCHING, failures: 9 },
      event: failed('throttled'),
      to: { status: 'reconnecting', failures: 10 },
    },
    {
      name: 'credentials wait',
      from: WATCHING,
      event: failed('unauthorized'),
      to: { read: 'watch', status: 'unauthorized', pause: 'slow' },
    },
    {
      name: 'rights wait',
      from: LISTING,
      event: failed('forbidden'),
      to: { read: 'list', status: 'forbidden', pause: 'slow' },
    },
    {
      name: 'a missing API waits',
      from: INITIAL_STATE,
      event: failed('missing'),
      to: { read: 'watch-list', status: 'missing', pause: 'slow' },
    },
  ])('$name', ({ from, event, to }) => {
    expect(run(from, event)).toMatchObject(to);
  });

  test('the third failure in a row is unreachable, and an open watch ends that', () => {
    const state = run(WATCHING, failed('connection'), failed('server'), failed('connection'));
    expect(state).toMatchObject({ status: 'unreachable', failures: 3 });
    expect(run(state, { type: 'opened' })).toMatchObject({ status: 'watching', message: '', failures: 3 });
  });

  test('only news, or time in health, lets earlier failures be forgotten', () => {
    const state = run(WATCHING, failed('connection'), failed('connection'), { type: 'opened' });
    expect(run(state, { type: 'advanced', resourceVersion: '8' }, failed('connection'))).toMatchObject({ failures: 1 });
    expect(run(state, failed('connection', true))).toMatchObject({ failures: 1 });
    expect(run(state, failed('connection'))).toMatchObject({ failures: 3 });
  });

  test('two cut watch-lists are followed by a list, after which watch-lists are tried again', () => {
    const state = run(INITIAL_STATE, failed('connection'), failed('connection'));
    expect(state).toMatchObject({ read: 'list', usesWatchList: true });
    expect(run(state, { type: 'synced', resourceVersion: '7' }, failed('expired'))).toMatchObject({
      read: 'watch-list',
    });
  });
});
