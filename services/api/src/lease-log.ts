/**
 * Leases of load-balancer classes, and what only their holder may write.
 *
 *     free ──acquire──► held ──renew──► held        release ──► free
 *                        └──time──► expired ──acquire by anybody──► held, with a higher epoch
 *
 * All of it is compare and swap on the log, so it holds between replicas of the API. The holder's own `acquire` succeeds at
 * once, with a new epoch: a controller that was restarted need not wait for its own lease, and its earlier self is fenced.
 * Expiry goes by the clock of the replica that is asked; nobody is refused for it before somebody else has acquired.
 */
import {
  type ControllerLease,
  controllerLeaseSchema,
  controllerLeaseSubject,
  isSignalboxError,
  type LeaseRequest,
  type ReportRequest,
  SignalboxError,
  type TargetGroupKey,
  type TargetGroupReport,
  targetGroupReportSchema,
  targetGroupReportSubject,
} from '@signalbox/contracts';
import type { LogMessage } from '@signalbox/event-log';
import { type ApiDependencies, nowMs } from './dependencies.ts';

const MAX_TRIES = 5;

/** Throws `conflict` that names the holder when it is somebody else's. */
export async function changeLease(
  api: ApiDependencies,
  loadBalancerClass: string,
  request: LeaseRequest,
): Promise<ControllerLease> {
  const subject = controllerLeaseSubject(loadBalancerClass);
  return await swapStatus(api, subject, (last) => {
    const before = parseLast(last, (value) => controllerLeaseSchema.parse(value));
    const at = nowMs(api);
    if (request.action === 'acquire') return acquired(before, request, at);
    requireOwn(before, request, at);
    return request.action === 'renew' ? { ...before, renewedAtMs: at } : { ...before, holder: '', renewedAtMs: at };
  });
}

type Acquire = Extract<LeaseRequest, { action: 'acquire' }>;

function acquired(before: ControllerLease | undefined, request: Acquire, at: number): ControllerLease {
  const { controller, durationMs } = request;
  if (before !== undefined && before.holder !== '' && before.holder !== controller && at < endOf(before)) {
    throw new SignalboxError('conflict', `the lease is ${holderText(before, at)}`);
  }
  return { holder: controller, epoch: (before?.epoch ?? 0) + 1, acquiredAtMs: at, renewedAtMs: at, durationMs };
}

interface Claim {
  readonly controller: string;
  readonly epoch: number;
}

function requireOwn(lease: ControllerLease | undefined, claim: Claim, at: number): asserts lease is ControllerLease {
  if (lease !== undefined && lease.holder === claim.controller && lease.epoch === claim.epoch) return;
  const state = lease === undefined || lease.holder === '' ? 'held by nobody' : holderText(lease, at);
  const own = `${claim.controller} with epoch ${claim.epoch}`;
  throw new SignalboxError('conflict', `${own} does not hold the lease, it is ${state}; acquire it first`);
}

function holderText(lease: ControllerLease, at: number): string {
  const end = endOf(lease);
  const state = at < end ? 'until' : 'but expired at';
  return `held by ${lease.holder} with epoch ${lease.epoch} ${state} ${new Date(end).toISOString()}`;
}

function endOf({ renewedAtMs, durationMs }: ControllerLease): number {
  return renewedAtMs + durationMs;
}

/** Throws `conflict` that names the holder, when it is not who claims to be. */
export async function requireHolder(api: ApiDependencies, loadBalancerClass: string, claim: Claim): Promise<void> {
  const last = await logOf(api).last('status', controllerLeaseSubject(loadBalancerClass));
  requireOwn(
    parseLast(last, (value) => controllerLeaseSchema.parse(value)),
    claim,
    nowMs(api),
  );
}

/** Times are set here: one clock for all controllers, and a target's health keeps its time while it stays the same. */
export async function putReport(
  api: ApiDependencies,
  key: TargetGroupKey,
  request: ReportRequest,
): Promise<TargetGroupReport> {
  return await swapStatus(api, targetGroupReportSubject(key), async (last) => {
    await requireHolder(api, key.loadBalancerClass, request);
    return reportFrom(request, { before: readReport(last), at: nowMs(api) });
  });
}

function readReport(last: LogMessage | undefined): TargetGroupReport | undefined {
  return parseLast(last, (value) => targetGroupReportSchema.parse(value));
}

function reportFrom(
  request: ReportRequest,
  { before, at }: { before: TargetGroupReport | undefined; at: number },
): TargetGroupReport {
  const { controller, index, revision, error } = request;
  const known = new Map(before?.targets.map((target) => [`${target.address} ${target.port}`, target]));
  const isSame = before?.index === index && before.programmedAtMs !== null;
  return {
    controller,
    index,
    revision,
    programmedAtMs: index === 0 ? null : isSame ? before.programmedAtMs : at,
    error,
    targets: request.targets.map(({ address, port, health, detail }) => {
      const earlier = known.get(`${address} ${port}`);
      const sinceMs = earlier?.health === health ? earlier.sinceMs : at;
      return { address, port, health, sinceMs, ...(detail === undefined ? {} : { detail }) };
    }),
    reportedAtMs: at,
  };
}

/** Writes what `change` makes of the last message, onto that message only; tries again when somebody was faster. */
async function swapStatus<Value>(
  api: ApiDependencies,
  subject: string,
  change: (last: LogMessage | undefined) => Value | Promise<Value>,
): Promise<Value> {
  const log = logOf(api);
  for (let tries = 1; ; tries += 1) {
    const last = await log.last('status', subject);
    const value = await change(last);
    try {
      await log.append('status', { subject, data: JSON.stringify(value), expectedSequence: last?.sequence ?? 0 });
      await api.projector.processAll();
      return value;
    } catch (error) {
      if (!isSignalboxError(error, 'conflict') || tries >= MAX_TRIES) throw error;
    }
  }
}

function parseLast<Value>(last: LogMessage | undefined, parse: (value: unknown) => Value): Value | undefined {
  return last === undefined || last.data === null ? undefined : parse(JSON.parse(last.data));
}

function logOf({ log }: ApiDependencies) {
  if (log === undefined) throw new SignalboxError('unavailable', 'this API cannot write: it has no event log');
  return log;
}
