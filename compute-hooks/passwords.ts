/** Passwords of servers while they are made: told to whoever asked and to the guest, kept nowhere. */
import type { ComputeCore } from './core.ts';

const letters = 'ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789';
const length = 12;
const keptMax = 1_000;

export function newPassword(core: ComputeCore): string {
  let password = '';
  while (password.length < length)
    // Bytes past the last whole run of letters would make some of them likelier.
    for (const byte of core.random.bytes(length))
      if (byte < 256 - (256 % letters.length) && password.length < length)
        password += letters[byte % letters.length];
  return password;
}

/** Until its guest has been started. */
export function keepPassword(core: ComputeCore, serverId: string, password: string): void {
  const [oldest] = core.passwords.keys();
  if (core.passwords.size >= keptMax && oldest !== undefined) core.passwords.delete(oldest);
  core.passwords.set(serverId, password);
}
