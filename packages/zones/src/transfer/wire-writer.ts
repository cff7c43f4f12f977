/** Octets of messages that are not answers: nothing is compressed, so that they can be hashed and compared. */

export class WireWriter {
  #bytes = new Uint8Array(512);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** Big-endian; more than 32 bits are fine as far as numbers are exact. */
  uint(value: number, byteCount: number): this {
    this.#reserve(byteCount);
    for (let shift = byteCount - 1, rest = value; shift >= 0; shift -= 1) {
      this.#bytes[this.#length + shift] = rest % 256;
      rest = Math.floor(rest / 256);
    }
    this.#length += byteCount;
    return this;
  }

  bytes(bytes: Uint8Array): this {
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
    return this;
  }

  /** Absolute, with `\DDD` for odd octets. */
  name(name: string): this {
    return this.bytes(nameBytes(name));
  }

  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }

  #reserve(more: number): void {
    if (this.#length + more <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(2 * this.#bytes.length, this.#length + more));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
  }
}

/** Canonical wire form of a name: lower case, uncompressed (RFC 4034 §6.2). */
export function nameBytes(name: string): Uint8Array {
  const bytes: number[] = [];
  for (const label of name.toLowerCase().split('.')) {
    if (label === '') continue;
    const octets = [...label.matchAll(/\\(\d{3})|(.)/gs)].map(([, escaped, char = '']) =>
      escaped === undefined ? char.charCodeAt(0) : Number(escaped),
    );
    bytes.push(octets.length, ...octets);
  }
  return Uint8Array.from([...bytes, 0]);
}
