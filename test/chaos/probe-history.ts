/**
 * What the probe's count was at each revision, as far as the log was seen; and whether what was served was that.
 *
 * Counts only rise, and of each message only the last one may have been seen. So at revision R the count was at least that
 * of any message up to R, and less than that of any message after R.
 */
import type { Difference } from './differences.ts';

/** Something that was served, and the revisions that it may have been served at. */
export interface ProbeSample {
  readonly where: string;
  readonly fromRevision: number;
  readonly toRevision: number;
  /** Undefined: it was said that there is none. */
  readonly count: number | undefined;
}

export class ProbeHistory {
  /** Revision → count. */
  readonly #seen = new Map<number, number>();
  readonly #samples: ProbeSample[] = [];

  saw(revision: number, count: number): void {
    this.#seen.set(revision, count);
  }

  served(sample: ProbeSample): void {
    this.#samples.push(sample);
  }

  get samples(): number {
    return this.#samples.length;
  }

  /** Once the log was seen to its end. */
  violations(): Difference[] {
    return this.#samples.flatMap(({ where, fromRevision, toRevision, count }) => {
      const [least, most] = [this.#leastAt(fromRevision), this.#mostAt(toRevision)];
      if (count !== undefined && count >= least && count <= most) return [];
      const revisions = fromRevision === toRevision ? `${toRevision}` : `${fromRevision} to ${toRevision}`;
      const expected = `a count from ${least} to ${most}`;
      return [{ where: `${where} at revision ${revisions}`, expected, found: String(count ?? 'none') }];
    });
  }

  #leastAt(revision: number): number {
    return Math.max(0, ...[...this.#seen].filter(([at]) => at <= revision).map(([, count]) => count));
  }

  #mostAt(revision: number): number {
    return Math.min(Infinity, ...[...this.#seen].filter(([at]) => at > revision).map(([, count]) => count - 1));
  }
}
