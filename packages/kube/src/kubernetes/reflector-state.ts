/**
 * What one kind's reflector does next, as a pure state machine: no I/O, no clock, no randomness.
 *
 *     read           request                                  leaves when
 *     watch-list     watch that begins with all objects       synced → watch; refused, or cut twice → list
 *     list           list, in pages                           synced → watch
 *     watch          watch from `resourceVersion`             position too old → watch-list, or list
 *
 * A failure keeps the read, unless it says that another one is needed. Next to the read stands what is reported: the
 * states of `sourceStateSchema` (contracts/source-status.ts), which say whether what the sink holds is current.
 */
import type { SourceState } from '@signalbox/contracts';
import type { FailureReason } from './api-failure.ts';

export interface ReflectorState {
  readonly read: 'watch-list' | 'list' | 'watch';
  /** False once the server has refused a watch-list (before Kubernetes 1.34, unless switched on). */
  readonly usesWatchList: boolean;
  /** False after a continue token expired: the next list is read whole, as no server keeps it long enough for pages. */
  readonly usesPages: boolean;
  /** Where a watch resumes; empty before the first complete list. */
  readonly resourceVersion: string;
  /** Watch-lists in a row that ended before all objects had come. */
  readonly cutWatchLists: number;
  /** Failures in a row since the last sign of health. */
  readonly failures: number;
  /** How to wait before the next read. */
  readonly pause: 'none' | 'back-off' | 'slow';
  readonly status: SourceState;
  readonly message: string;
}

export type ReflectorEvent =
  /** The server accepted a watch. */
  | { readonly type: 'opened' }
  /** The sink has taken a complete list. */
  | { readonly type: 'synced'; readonly resourceVersion: string }
  /** The sink has taken changes of the watch, or a bookmark came; an empty version means an unchanged position. */
  | { readonly type: 'advanced'; readonly resourceVersion: string }
  /** The server ended a watch in good order. */
  | { readonly type: 'ended'; readonly wasHealthy: boolean }
  /** `wasHealthy`: the stream had lasted long enough that earlier failures no longer count. */
  | { readonly type: 'failed'; readonly reason: FailureReason; readonly message: string; readonly wasHealthy: boolean };

/** Failures in a row after which a cluster is called unreachable. */
const UNREACHABLE_AFTER_FAILURES = 3;
const MAX_CUT_WATCH_LISTS = 2;

export const INITIAL_STATE: ReflectorState = {
  read: 'watch-list',
  usesWatchList: true,
  usesPages: true,
  resourceVersion: '',
  cutWatchLists: 0,
  failures: 0,
  pause: 'none',
  status: 'syncing',
  message: '',
};

export function transition(state: ReflectorState, event: ReflectorEvent): ReflectorState {
  switch (event.type) {
    case 'opened':
      return state.read === 'watch' ? { ...state, status: 'watching', message: '' } : state;
    case 'synced':
      return afterSync(state, event.resourceVersion);
    case 'advanced':
      return { ...state, resourceVersion: event.resourceVersion || state.resourceVersion, failures: 0 };
    case 'ended':
      return afterEnd(state, event.wasHealthy);
    case 'failed':
      return afterFailure(state, event);
  }
}

/** A watch-list is a watch from here on; after a list, whether the state stays current is known when a watch is open. */
function afterSync(state: ReflectorState, resourceVersion: string): ReflectorState {
  const isOpen = state.read === 'watch-list';
  return {
    ...state,
    read: 'watch',
    resourceVersion,
    usesPages: true,
    cutWatchLists: 0,
    pause: 'none',
    status: isOpen ? 'watching' : state.status,
    message: isOpen ? '' : state.message,
  };
}

function afterEnd(state: ReflectorState, wasHealthy: boolean): ReflectorState {
  if (state.read === 'watch' && wasHealthy) return { ...state, failures: 0, pause: 'none' };
  const isSynced = state.read === 'watch';
  const message = `the API server ended the watch ${isSynced ? 'at once' : 'before it had sent every object'}`;
  return afterFailure(state, { type: 'failed', reason: 'connection', message, wasHealthy });
}

type Failed = Extract<ReflectorEvent, { type: 'failed' }>;

function afterFailure(state: ReflectorState, { reason, message, wasHealthy }: Failed): ReflectorState {
  const failures = wasHealthy ? 1 : state.failures + 1;
  const failed: ReflectorState = { ...state, failures, message, pause: 'back-off' };
  switch (reason) {
    case 'connection':
    case 'server':
      return afterCut(failed);
    case 'throttled':
      return { ...failed, status: 'reconnecting' };
    case 'expired':
      return { ...(state.read === 'list' ? { ...failed, usesPages: false } : fromTheStart(failed)), status: 'syncing' };
    case 'conflict':
    case 'rejected':
      return state.read === 'watch-list' ? withoutWatchList(state) : { ...fromTheStart(failed), status: 'failed' };
    case 'unreadable':
    case 'sink':
      return { ...fromTheStart(failed), status: 'failed' };
    case 'unauthorized':
    case 'forbidden':
    case 'missing':
      return { ...failed, status: reason, pause: 'slow' };
  }
}

/** A list in pages makes progress where a long stream is cut again and again. */
function afterCut(state: ReflectorState): ReflectorState {
  const status = state.failures >= UNREACHABLE_AFTER_FAILURES ? 'unreachable' : 'reconnecting';
  if (state.read !== 'watch-list') return { ...state, status };
  const cutWatchLists = state.cutWatchLists + 1;
  return { ...state, status, cutWatchLists, read: cutWatchLists >= MAX_CUT_WATCH_LISTS ? 'list' : 'watch-list' };
}

function fromTheStart(state: ReflectorState): ReflectorState {
  return { ...state, read: state.usesWatchList ? 'watch-list' : 'list' };
}

/** Not a failure: an older server that is asked once. */
function withoutWatchList(state: ReflectorState): ReflectorState {
  return { ...state, read: 'list', usesWatchList: false, pause: 'none' };
}
