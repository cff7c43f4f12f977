/** What is counted of drift. */
import { DRIFT_CHANGES, type DriftReport } from '@signalbox/contracts';
import { Counter, Gauge, type Registry } from '@signalbox/kit';

export interface DriftMetrics {
  record(report: DriftReport): void;
}

export function createDriftMetrics(registry: Registry): DriftMetrics {
  const registers = [registry];
  const differences = new Gauge({
    name: 'signalbox_drift_differences',
    help: 'Differences that the last check found and left; 0 after a repair.',
    labelNames: ['what'],
    registers,
  });
  const checks = new Counter({
    name: 'signalbox_drift_checks_total',
    help: 'Comparisons of the kernel with what was programmed, by outcome (equal, different, failed).',
    labelNames: ['outcome'],
    registers,
  });
  const repairs = new Counter({
    name: 'signalbox_drift_repairs_total',
    help: 'Checks after which the kernel was repaired.',
    registers,
  });
  return {
    record: ({ totals, repaired, error }) => {
      const found = totals.added + totals.missing + totals.changed;
      checks.inc({ outcome: found > 0 ? 'different' : error === '' ? 'equal' : 'failed' });
      if (repaired) repairs.inc();
      // A check that failed says nothing of the kernel.
      if (error !== '' && found === 0) return;
      for (const what of DRIFT_CHANGES) differences.set({ what }, repaired ? 0 : totals[what]);
    },
  };
}
