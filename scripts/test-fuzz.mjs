/**
 * `npm run test:fuzz`: a million changed packets against the DNS server's code, and 100,000 over real sockets. The seed is
 * printed; FUZZ_SEED=NUMBER sends the same packets again, FUZZ_PACKETS=COUNT fewer or more.
 */
import { run, setUp } from './setup.mjs';

setUp();
process.env.FUZZ_PACKETS ??= '1000000';
process.env.FUZZ_SEED ??= String(Date.now() % 2 ** 32);
run('npx', ['vitest', 'run', 'test/dns-fuzz']);
