/** Numbers that must never fall. */
import type { Difference } from './differences.ts';

const MAX_TEXT = 800;

export class Rising {
  readonly #highest = new Map<string, { readonly value: number; readonly text: string }>();
  readonly violations: Difference[] = [];

  /** `text` is what said so, to be shown when it is wrong. */
  note(what: string, value: number, text = ''): void {
    const before = this.#highest.get(what);
    if (before === undefined || value >= before.value) {
      this.#highest.set(what, { value, text });
      return;
    }
    this.violations.push({
      where: `${what} went backwards`,
      expected: `${before.value} or more, as after ${before.text.slice(0, MAX_TEXT)}`,
      found: `${value}: ${text.slice(0, MAX_TEXT)}`,
    });
  }
}
