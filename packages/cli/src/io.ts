/** What a command reads and writes; given to it, so that tests need no process of their own. */
export interface CliIo {
  readonly stdin: NodeJS.ReadableStream;
  readonly stdout: { write(text: string): unknown; readonly isTTY?: boolean; readonly columns?: number };
  readonly stderr: { write(text: string): unknown; readonly isTTY?: boolean };
}

/** Exit codes; also in `signalbox --help` and the README. */
export const EXIT = {
  ok: 0,
  /** Something failed while running. */
  failed: 1,
  /** A flag, a name or an input is wrong: saying it again will not help. */
  invalid: 2,
  /** The API or the event log cannot be reached, or is not ready. */
  unavailable: 3,
  notFound: 4,
} as const;
