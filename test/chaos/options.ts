/** Options of `npm run test:chaos`. */
import { parseArgs } from 'node:util';

export interface Options {
  /** In the order in which they run. */
  readonly seeds: readonly number[];
  /** No further seed begins after these. */
  readonly minutes: number;
  /** In each seed. */
  readonly faults: number;
  readonly isQuiet: boolean;
  /** Folder of the nats-server to run; undefined: the one on the PATH. */
  readonly nats: string | undefined;
}

export const HELP = `Runs the plane as processes under faults, and compares all that it serves with what is true.

  --seeds COUNT     how many (20)
  --first SEED      where to begin (1)
  --seed SEED       this one only
  --minutes COUNT   no further seed begins after these
  --faults COUNT    in each seed (8)
  --nats FOLDER     with the nats-server to run (the one on the PATH)
  --quiet           a line for each seed, and nothing of single faults
  --help

Examples:
  npm run test:chaos                               20 seeds
  npm run test:chaos -- --seeds 100                a hundred: about 40 minutes on two cores
  npm run test:chaos -- --seed 7                   seed 7 again: the same faults at the same times
  npm run test:chaos -- --minutes 10 --faults 20   as many seeds as fit in 10 minutes, 20 faults in each

Exit code: 0 all passed, 1 some failed (their seeds are told), 2 an option is wrong.`;

/** Undefined: help was asked for. Throws an Error that says what is wrong. */
export function readOptions(args: readonly string[]): Options | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      seeds: { type: 'string', default: '20' },
      first: { type: 'string', default: '1' },
      seed: { type: 'string' },
      minutes: { type: 'string', default: String(24 * 60) },
      faults: { type: 'string', default: '8' },
      nats: { type: 'string' },
      quiet: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return undefined;
  const first = positive('--first', values.first);
  const count = positive('--seeds', values.seeds);
  const seeds = Array.from({ length: count }, (_, i) => first + i);
  return {
    seeds: values.seed === undefined ? seeds : [positive('--seed', values.seed)],
    minutes: positive('--minutes', values.minutes),
    faults: positive('--faults', values.faults),
    isQuiet: values.quiet,
    nats: values.nats,
  };
}

function positive(name: string, text: string): number {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw new Error(`${name} is a whole number from 1, not ${JSON.stringify(text)}`);
}
