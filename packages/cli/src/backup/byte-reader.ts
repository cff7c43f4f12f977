/** Reads a stream of bytes by line and by length; throws where it ends too early. */
export class ByteReader {
  readonly #chunks: AsyncIterator<Buffer>;
  readonly #stream: NodeJS.ReadableStream & { destroy(error?: Error): unknown };
  #rest: Buffer = Buffer.alloc(0);

  constructor(stream: NodeJS.ReadableStream & { destroy(error?: Error): unknown }) {
    this.#stream = stream;
    this.#chunks = stream[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  }

  /** What reads now, or next, throws this. */
  fail(error: Error): void {
    this.#stream.destroy(error);
  }

  /** Up to the next line feed, without it. */
  async line(maxBytes: number): Promise<Buffer> {
    for (;;) {
      const end = this.#rest.indexOf(0x0a);
      if (end >= 0) {
        const line = this.#rest.subarray(0, end);
        this.#rest = this.#rest.subarray(end + 1);
        return line;
      }
      if (this.#rest.length > maxBytes) throw new Error(`no line within ${maxBytes} bytes`);
      if (!(await this.#more())) throw new Error('it ends early');
    }
  }

  /** The next `bytes` bytes, in pieces. */
  async *take(bytes: number): AsyncGenerator<Buffer> {
    for (let missing = bytes; missing > 0; ) {
      if (this.#rest.length === 0 && !(await this.#more())) throw new Error('it ends early');
      const piece = this.#rest.subarray(0, missing);
      this.#rest = this.#rest.subarray(piece.length);
      missing -= piece.length;
      yield piece;
    }
  }

  async isAtEnd(): Promise<boolean> {
    return this.#rest.length === 0 && !(await this.#more());
  }

  async #more(): Promise<boolean> {
    const { done, value } = await this.#chunks.next();
    if (done === true) return false;
    this.#rest = this.#rest.length === 0 ? value : Buffer.concat([this.#rest, value]);
    return true;
  }
}
