/**
 * Whether what was received up to a message is a state that the stream had.
 *
 * Of what was replaced before it was received nothing comes but a gap, where that message was, and later the one that
 * replaced it. So a gap makes it unknown what is missing, until the stream is asked where it ends: what was replaced up to
 * that moment has its replacement at or before that end. Once the end is reached without another gap since the question,
 * nothing is missing, and it stays so until the next gap.
 */

export interface Place {
  readonly sequence: number;
  /** Every message of the stream after this one, up to `sequence`, was received. */
  readonly runFrom: number;
  /** The stream ended here when it was received. */
  readonly isEnd: boolean;
}

export class StateProof {
  #received: Place;
  #asked: { readonly at: number; readonly end: number };
  /** Of the last message received that was a state at once. */
  #provenTo: number;

  /** What was received before it began is a state. */
  constructor(position: number) {
    this.#received = { sequence: position, runFrom: position, isEnd: true };
    this.#asked = { at: position, end: position };
    this.#provenTo = position;
  }

  /** Of the last message received. */
  get received(): Place {
    return this.#received;
  }

  receive(sequence: number, isEnd: boolean): Place {
    const last = this.#received;
    const runFrom = sequence === last.sequence + 1 ? last.runFrom : sequence - 1;
    this.#received = { sequence, runFrom, isEnd };
    this.#prove();
    return this.#received;
  }

  /** A state is among what was received after this. Until it is read, asking again would only take it away. */
  hasStateAfter(sequence: number): boolean {
    return this.#provenTo > sequence;
  }

  /** Nothing was missed since the last question. */
  get isRunUnbroken(): boolean {
    return this.#received.runFrom <= this.#asked.at;
  }

  /** After the message at `at` was received the stream was asked, and ended at `end`. */
  tell(at: number, end: number): void {
    this.#asked = { at, end };
    this.#prove();
  }

  isState({ sequence, runFrom, isEnd }: Place): boolean {
    return isEnd || (runFrom <= this.#asked.at && sequence >= this.#asked.end);
  }

  #prove(): void {
    if (this.isState(this.#received)) this.#provenTo = this.#received.sequence;
  }
}
