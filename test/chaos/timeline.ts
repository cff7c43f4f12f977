/** What the test has seen of the probe, in order, for whoever looks for the reason of a violation. */
export class Timeline {
  readonly #lines: string[] = [];
  readonly #last = new Map<string, string>();

  /** What somebody says again and again is one line. */
  note(who: string, text: string): void {
    if (this.#last.get(who) === text) return;
    this.#last.set(who, text);
    this.#lines.push(`${new Date().toISOString().slice(11, 23)} ${who}: ${text}`);
  }

  text(): string {
    return `${this.#lines.join('\n')}\n`;
  }
}
