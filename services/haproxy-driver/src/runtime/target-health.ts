/** What a server's checks say of its target. Pure. */
import type { TARGET_HEALTH } from '@signalbox/contracts';
import type { ServerState } from './servers-state.ts';

export type TargetHealth = (typeof TARGET_HEALTH)[number];

/**
 * HAProxy takes a server that was just made ready as up, with its counter at `rise`: one failed check takes it down, one
 * success lifts the counter. So at `rise` nothing was checked yet, or a healthy server is failing but is not down: then it
 * is what it was.
 */
export function targetHealth(server: ServerState, rise: number, before: TargetHealth | undefined): TargetHealth {
  if (server.admin === 'maint' || !server.isChecked) return 'unknown';
  if (!server.isUp) return 'unhealthy';
  if (server.checkHealth > rise) return 'healthy';
  return before === 'healthy' ? 'healthy' : 'unknown';
}
