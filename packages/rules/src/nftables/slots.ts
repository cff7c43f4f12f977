/** Endpoints as numbers that `numgen random` picks from. */
import type { PlanEndpoint } from '@signalbox/contracts';
import { boundedWeights } from '../endpoint-weights.ts';

/** Endpoints under the Local policy have numbers of their own in the same maps, from here on. */
export const LOCAL_NUMBERS_FROM = 1_000_000;

/**
 * Each endpoint as often as its weight says, so that a uniform pick is a weighted one. Without weights this is the list
 * itself.
 */
export function slotsOf(endpoints: readonly PlanEndpoint[]): readonly PlanEndpoint[] {
  if (endpoints.every((endpoint) => endpoint.weight === undefined)) return endpoints;
  const weights = boundedWeights(endpoints);
  return endpoints.flatMap((endpoint, index) => Array<PlanEndpoint>(weights[index] ?? 0).fill(endpoint));
}
