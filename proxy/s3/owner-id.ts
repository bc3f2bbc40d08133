/** An owner's canonical id is the project's. */
export function ownerId(account: string): string {
  return account.replace(/^AUTH_/, '');
}
