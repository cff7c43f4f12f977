/** Response bodies that break where a test wants them to. */
import type { ServerResponse } from 'node:http';
import { setImmediate as tick } from 'node:timers/promises';
import type { StatusAnswer } from './api-bodies.ts';
import type { FaultType } from './faults.ts';

/** A whole answer. */
export function send(response: ServerResponse, answer: StatusAnswer, fault?: FaultType): void {
  const retryAfter =
    fault?.type === 'status' && fault.retryAfterSeconds !== undefined
      ? { 'retry-after': String(fault.retryAfterSeconds) }
      : {};
  response.writeHead(answer.code, { 'content-type': answer.contentType, ...answer.headers, ...retryAfter });
  const body = new FaultyBody(response, fault);
  body.write(answer.body);
  body.end();
}

/** Sends a body in order, as far as the fault lets it. */
export class FaultyBody {
  readonly #response: ServerResponse;
  readonly #fault: FaultType | undefined;
  #sentBytes = 0;
  #isOver = false;
  #sending: Promise<void> = Promise.resolve();
  #recent: string[] = [];

  constructor(response: ServerResponse, fault: FaultType | undefined) {
    this.#response = response;
    this.#fault = fault;
    // A fault before the first byte happens even if nothing is ever sent.
    this.write('');
  }

  /** One event of a watch. */
  event(line: string): void {
    this.write(this.#fault?.type === 'replay' ? [line, ...this.#recent].join('') : line);
    this.#recent = [line, ...this.#recent].slice(0, 3);
  }

  write(text: string): void {
    const bytes = Buffer.from(text);
    this.#sending = this.#sending.then(() => this.#send(bytes));
  }

  end(): void {
    this.#sending = this.#sending.then(() => {
      if (!this.#isOver) this.#response.end();
    });
  }

  async #send(bytes: Buffer): Promise<void> {
    if (this.#isOver || this.#response.destroyed) return;
    const fault = this.#fault;
    if (fault?.type === 'trickle') return this.#trickle(bytes, fault.bytes);
    if (fault?.type !== 'cut' && fault?.type !== 'end' && fault?.type !== 'stall') return this.#flush(bytes);
    const left = fault.afterBytes - this.#sentBytes;
    await this.#flush(bytes.subarray(0, left));
    if (bytes.length < left) return;
    this.#isOver = true;
    if (fault.type === 'cut') this.#response.destroy();
    if (fault.type === 'end') this.#response.end();
  }

  async #trickle(bytes: Buffer, size: number): Promise<void> {
    for (let start = 0; start < bytes.length; start += size) {
      await this.#flush(bytes.subarray(start, start + size));
      await tick();
    }
  }

  #flush(bytes: Buffer): Promise<void> {
    this.#sentBytes += bytes.length;
    if (bytes.length === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#response.write(bytes, () => resolve());
    });
  }
}
