/** Asks a DNS server with dig, many questions in one process. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

export interface DigQuestion {
  readonly name: string;
  readonly type: string;
}

export interface DigAnswer {
  readonly status: string;
  readonly flags: string;
  /** `NAME TTL CLASS TYPE DATA`, sorted. */
  readonly answer: readonly string[];
  readonly authority: readonly string[];
  readonly additional: readonly string[];
}

const FORMAT = ['+noall', '+comments', '+answer', '+authority', '+additional', '+nocookie', '+tries=1', '+time=5'];
/** Arguments that a command line holds without trouble. */
const BATCH = 2000;

export async function dig(
  port: number,
  questions: readonly DigQuestion[],
  options: string[] = [],
): Promise<DigAnswer[]> {
  const answers: DigAnswer[] = [];
  for (let start = 0; start < questions.length; start += BATCH) {
    const batch = questions.slice(start, start + BATCH);
    const queries = batch.flatMap(({ name, type }) => ['-q', name, '-t', type, ...FORMAT, ...options]);
    const args = ['@127.0.0.1', '-p', `${port}`, ...queries];
    const { stdout } = await promisify(execFile)('dig', args, { maxBuffer: 256 * 1024 * 1024 });
    answers.push(...stdout.split(';; Got answer:').slice(1).map(readAnswer));
  }
  return answers;
}

function readAnswer(text: string): DigAnswer {
  return {
    status: /status: (\w+)/.exec(text)?.[1] ?? '',
    flags: /flags: ([a-z ]*);/.exec(text)?.[1] ?? '',
    answer: section(text, 'ANSWER'),
    authority: section(text, 'AUTHORITY'),
    additional: section(text, 'ADDITIONAL'),
  };
}

function section(text: string, name: string): string[] {
  const body = text.split(`;; ${name} SECTION:\n`)[1] ?? '';
  const [lines = ''] = body.split('\n\n');
  return lines
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith(';'))
    .map((line) => line.split(/\s+/).join(' '))
    .sort();
}
