/** Zone serials are numbers modulo 2³² without a largest one (RFC 1982 §3.2). */

/** True when `left` is later than `right`. Of two that are exactly half the circle apart neither is. */
export function isLaterSerial(left: number, right: number): boolean {
  const distance = (left - right) >>> 0;
  return distance !== 0 && distance < 2 ** 31;
}
