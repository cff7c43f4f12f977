/** How many packets, and which: `npm run test:fuzz` sets more than `npm test` has time for. */

export const FUZZ_SEED = wholeNumber('FUZZ_SEED', 20_260_101);
export const FUZZ_PACKETS = wholeNumber('FUZZ_PACKETS', 40_000);
/** Over sockets each packet costs a journey. */
export const FUZZ_SOCKET_PACKETS = Math.ceil(FUZZ_PACKETS / 10);

function wholeNumber(variable: string, byDefault: number): number {
  const value = Number(process.env[variable] ?? byDefault);
  if (!Number.isSafeInteger(value) || value < 1) throw new Error(`${variable} is no whole number above 0`);
  return value;
}
