/** Relative shares of endpoints as whole numbers that every backend can count with. */
import type { PlanEndpoint } from '@signalbox/contracts';

/** Bounds what the weights of one service can cost in map elements. */
const TOTAL_WEIGHT_MAX = 1_000;
/** What IPVS can hold; proportions beyond it would be lost in rounding anyway. */
const WEIGHT_MAX = 65_535;

/**
 * Whole numbers in the given proportions, as small as they can be; rounded (but not to 0) where they would be too many. An
 * endpoint of weight 0 gets no new connections, unless all are 0: then all are alike.
 */
export function boundedWeights(endpoints: readonly PlanEndpoint[]): number[] {
  const given = endpoints.map(({ weight }) => Math.min(WEIGHT_MAX, Math.max(0, Math.trunc(weight ?? 1) || 0)));
  if (given.every((weight) => weight === 0)) return given.map(() => 1);
  const divisor = given.reduce(greatestCommonDivisor, 0);
  const reduced = given.map((weight) => weight / divisor);
  const total = reduced.reduce((sum, weight) => sum + weight, 0);
  const limit = Math.max(TOTAL_WEIGHT_MAX, endpoints.length);
  if (total <= limit) return reduced;
  return reduced.map((weight) => (weight === 0 ? 0 : Math.max(1, Math.floor((weight / total) * limit))));
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}
