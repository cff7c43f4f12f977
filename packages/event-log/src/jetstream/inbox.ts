/** Inboxes begin with the service's name, so that a user can be let read its own answers and no others. */
export function inboxPrefixOf(name: string): string {
  return `_INBOX_${name.replaceAll(/[^\w-]/g, '-')}`;
}
