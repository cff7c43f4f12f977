/**
 * What a Service asks of its load balancer beyond the Kubernetes API:
 *
 *   signalbox.dev/lb-algorithm: least-connections          round-robin | least-connections | source-hash | random
 *   signalbox.dev/lb-target-type: pod                      node | pod; wins over the policy of the class
 *   signalbox.dev/lb-weighting: pods-per-node              node targets weigh as many as they have ready endpoints
 *   signalbox.dev/lb-proxy-protocol: v2                    v1 | v2
 *   signalbox.dev/lb-readiness-gate: "true"                pods are checked, without traffic, before they are ready
 *   signalbox.dev/lb-health-check-type: http               tcp | http | https
 *   signalbox.dev/lb-health-check-path: /healthz           for http and https
 *   signalbox.dev/lb-health-check-port: 8081               default: what suits the targets
 *   signalbox.dev/lb-health-check-interval: 5s             durations: 500ms, 5s, 1m
 *   signalbox.dev/lb-health-check-timeout: 2s
 *   signalbox.dev/lb-health-check-healthy-threshold: 2     checks in a row, 1 to 100
 *   signalbox.dev/lb-health-check-unhealthy-threshold: 3
 *
 * A Node may say how much of the traffic it takes, as may be known of its size: `signalbox.dev/lb-weight: 3`, 0 to 256; so
 * weigh node targets, and pods on that node. What cannot be read is left out and named.
 */
import {
  LB_ALGORITHMS,
  type NodeObject,
  type Registration,
  type ServiceObject,
  type Skipped,
} from '@signalbox/contracts';

const ANNOTATION_PREFIX = 'signalbox.dev/lb-';
const MAX_WEIGHT = 256;

export interface LbAnnotations {
  readonly algorithm?: Registration['algorithm'];
  readonly targetType?: 'node' | 'pod';
  readonly weighting?: 'pods-per-node';
  readonly proxyProtocol?: Registration['proxyProtocol'];
  readonly readinessGate?: boolean;
  readonly healthCheck: Partial<Registration['healthCheck']>;
}

type Parse<T> = (text: string) => T | undefined;

export function readLbAnnotations({ metadata }: ServiceObject, skipped: Skipped[]): LbAnnotations {
  const annotations = metadata.annotations ?? {};
  const read = <T>(name: string, parse: Parse<T>): T | undefined => {
    const text = annotations[ANNOTATION_PREFIX + name];
    return text === undefined
      ? undefined
      : parsed(text, parse, `metadata.annotations[${ANNOTATION_PREFIX}${name}]`, skipped);
  };
  return withoutUndefined({
    algorithm: read('algorithm', oneOf(LB_ALGORITHMS)),
    targetType: read('target-type', oneOf(['node', 'pod'] as const)),
    weighting: read('weighting', oneOf(['pods-per-node'] as const)),
    proxyProtocol: read('proxy-protocol', oneOf(['v1', 'v2'] as const)),
    readinessGate: read('readiness-gate', trueOrFalse),
    healthCheck: withoutUndefined({
      type: read('health-check-type', oneOf(['tcp', 'http', 'https'] as const)),
      path: read('health-check-path', urlPath),
      port: read('health-check-port', wholeNumber(1, 65_535)),
      intervalMs: read('health-check-interval', duration),
      timeoutMs: read('health-check-timeout', duration),
      healthyThreshold: read('health-check-healthy-threshold', wholeNumber(1, 100)),
      unhealthyThreshold: read('health-check-unhealthy-threshold', wholeNumber(1, 100)),
    }),
  });
}

export function nodeWeight({ metadata }: NodeObject, skipped: Skipped[]): number {
  const text = metadata.annotations?.[`${ANNOTATION_PREFIX}weight`];
  if (text === undefined) return 1;
  return parsed(text, wholeNumber(0, MAX_WEIGHT), `Node ${metadata.name} ${ANNOTATION_PREFIX}weight`, skipped) ?? 1;
}

/** Weights of load balancers end at this. */
export function boundedWeight(weight: number): number {
  return Math.min(weight, MAX_WEIGHT);
}

function parsed<T>(text: string, parse: Parse<T>, path: string, skipped: Skipped[]): T | undefined {
  const value = parse(text.trim());
  if (value === undefined) skipped.push({ path, reason: `cannot be used: ${JSON.stringify(text)}` });
  return value;
}

function trueOrFalse(text: string): boolean | undefined {
  return text === 'true' ? true : text === 'false' ? false : undefined;
}

function oneOf<T extends string>(values: readonly T[]): Parse<T> {
  return (text) => values.find((value) => value === text);
}

function wholeNumber(min: number, max: number): Parse<number> {
  return (text) => {
    const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
    return value >= min && value <= max ? value : undefined;
  };
}

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000 };

/** Milliseconds, from 100 ms to an hour. */
function duration(text: string): number | undefined {
  const [, digits = '', unit = ''] = /^(\d{1,7})(ms|s|m)$/.exec(text) ?? [];
  const value = Number(digits) * (UNITS[unit] ?? 0);
  return value >= 100 && value <= 3_600_000 ? value : undefined;
}

/** Only what a URL may hold unescaped: it ends up in configurations of load balancers. */
function urlPath(text: string): string | undefined {
  return text.length <= 1_024 && /^\/[A-Za-z0-9._~!$&()*+,;=:@%/?-]*$/.test(text) ? text : undefined;
}

type Defined<T> = { [K in keyof T as undefined extends T[K] ? never : K]: T[K] } & {
  [K in keyof T as undefined extends T[K] ? K : never]?: Exclude<T[K], undefined>;
};

function withoutUndefined<T extends object>(fields: T): Defined<T> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Defined<T>;
}
