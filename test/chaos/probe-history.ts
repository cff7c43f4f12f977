/**
 * What the probe's count was at each revision, as far as the log was seen; and whether what was served was that.
 *
 * Counts only rise, and of each message only the last one may have been seen. So at revision R the count was at least that
 * of any message up to R, and no more than that of any message after R (what was uncertain is written twice).
 */
import type { Difference } from './differences.ts';

/** Something that was served, and the revisions that it may have been served at. */
export interface ProbeSample {
  readonly where: string;
  readonly fromRevision: number;
  /** Infinity: what is newer than its revision is allowed. */
  readonly toRevision: number;
  /** Undefined: it was said that there is none. */
  readonly count: number | undefined;
  /** For people. */
  readonly detail?: string;
}

export class ProbeHistory {
  answers = 0;
  /** Revision → count. */
  readonly #seen = new Map<number, number>();
  /** What is served again and again is one sample. */
  readonly #samples = new Map<string, ProbeSample>();

  saw(revision: number, count: number): void {
    this.#seen.set(revision, count);
  }

  served(sample: ProbeSample): void {
    this.#samples.set(JSON.stringify(sample), sample);
    this.answers += 1;
  }

  /** Once the log was seen to its end. */
  violations(): Difference[] {
    return [...this.#samples.values()].flatMap(({ where, fromRevision, toRevision, count, detail = '' }) => {
      const [least, most] = [this.#leastAt(fromRevision), this.#mostAt(toRevision)];
      if (count !== undefined && count >= least && count <= most) return [];
      const revisions = fromRevision === toRevision ? `${toRevision}` : `${fromRevision} or later`;
      const expected = `a count from ${least} to ${most}`;
      return [{ where: `${where} at revision ${revisions}`, expected, found: `${count ?? 'none'} ${detail}` }];
    });
  }

  #leastAt(revision: number): number {
    return Math.max(0, ...[...this.#seen].filter(([at]) => at <= revision).map(([, count]) => count));
  }

  #mostAt(revision: number): number {
    return Math.min(Infinity, ...[...this.#seen].filter(([at]) => at > revision).map(([, count]) => count));
  }
}
