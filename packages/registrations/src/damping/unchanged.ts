type Json = unknown;

/** The old value where the new one says the same, so that "has it changed" is a comparison of references from there on. */
export function unchangedOr<T extends object>(before: T | undefined, next: T): T {
  return before !== undefined && isSame(before, next) ? before : next;
}

function isSame(left: Json, right: Json): boolean {
  if (left === right) return true;
  if (typeof left !== 'object' || typeof right !== 'object' || left === null || right === null) return false;
  if (Array.isArray(left) && Array.isArray(right)) {
    return left.length === right.length && left.every((value, i) => isSame(value, right[i]));
  }
  const keys = Object.keys(left);
  if (keys.length !== Object.keys(right).length) return false;
  return keys.every((key) => Object.hasOwn(right, key) && isSame(Reflect.get(left, key), Reflect.get(right, key)));
}
