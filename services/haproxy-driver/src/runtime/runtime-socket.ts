/**
 * A client of HAProxy's runtime socket. Commands of one call go over one connection, in order.
 *
 * In interactive mode every answer ends with a line break and `> `, so answers can be told apart; with severities on,
 * messages begin with `[n]: `. A message of 3 or below is an error (syslog's numbers); data has no such mark.
 */
import { connect } from 'node:net';
import { SignalboxError } from '@signalbox/contracts';

export interface RuntimeSocketOptions {
  readonly path: string;
  /** For the whole call. */
  readonly timeoutMs: number;
}

const PROMPT = '\n> ';
const PREAMBLE = ['prompt', 'set severity-output number'];
const MAX_ANSWER_BYTES = 256 * 1024 ** 2;
const ERROR_SEVERITY = 3;

/** The answers, one per command. Throws `unavailable` when HAProxy cannot be reached, or does not answer them all in time. */
export async function askHaproxy(options: RuntimeSocketOptions, commands: readonly string[]): Promise<string[]> {
  const strange = commands.find((command) => /[\r\n;\\]/.test(command) || command.includes('<<'));
  if (strange !== undefined) throw new SignalboxError('invalid', `not one command: ${JSON.stringify(strange)}`);
  const lines = [...PREAMBLE, ...commands];
  const text = await exchange(options, `${lines.join('\n')}\nquit\n`);
  const answers = text.split(PROMPT);
  // After the last prompt comes nothing: `quit` has no answer.
  if (answers.length < lines.length + 1) {
    throw new SignalboxError(
      'unavailable',
      `HAProxy answered ${answers.length} of ${lines.length} commands at ${options.path}`,
    );
  }
  return answers.slice(PREAMBLE.length, lines.length);
}

/** Text of an error message of HAProxy; undefined when the answer is none. */
export function errorOfAnswer(answer: string): string | undefined {
  const [, severity, text = ''] = /^\[(\d)\]: (.*)/s.exec(answer.trim()) ?? [];
  return severity !== undefined && Number(severity) <= ERROR_SEVERITY ? text.trim() : undefined;
}

function exchange({ path, timeoutMs }: RuntimeSocketOptions, request: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    const chunks: Buffer[] = [];
    let size = 0;
    const fail = (message: string, cause?: unknown): void => {
      clearTimeout(timer);
      socket.destroy();
      reject(new SignalboxError('unavailable', message, { cause }));
    };
    const timer = setTimeout(() => fail(`HAProxy did not answer within ${timeoutMs} ms at ${path}`), timeoutMs);
    socket.once('connect', () => socket.write(request));
    socket.on('data', (chunk) => {
      chunks.push(chunk);
      size += chunk.length;
      if (size > MAX_ANSWER_BYTES) fail(`HAProxy's answer is larger than ${MAX_ANSWER_BYTES} bytes`);
    });
    socket.once('error', (cause) => fail(`HAProxy cannot be reached at ${path}`, cause));
    socket.once('close', () => {
      clearTimeout(timer);
      resolve(Buffer.concat(chunks).toString('utf8'));
    });
  });
}
