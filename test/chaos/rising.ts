/** Numbers that must never fall. */
import type { Difference } from './differences.ts';

export class Rising {
  readonly #highest = new Map<string, number>();
  readonly violations: Difference[] = [];

  note(what: string, value: number): void {
    const before = this.#highest.get(what) ?? 0;
    if (value < before) {
      this.violations.push({ where: `${what} went backwards`, expected: `${before} or more`, found: String(value) });
    }
    this.#highest.set(what, Math.max(before, value));
  }
}
