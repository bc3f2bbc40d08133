/**
 * Tokens of consoles. One is good for one connection to one server, for a short while; whoever reads the database learns none, since rows
 * hold their hashes.
 */
import { createHash } from 'node:crypto';
import { randomUuid } from '#common';
import type { ComputeCore } from '../core.ts';
import type { ConsoleRow } from '../tables.ts';

export async function createConsoleToken(
  core: ComputeCore,
  serverId: string,
  kind: string,
): Promise<string> {
  const token = randomUuid(core.random);
  const now = core.clock.nowUs();
  await core.change(async (transaction) => {
    await transaction.deleteFrom('compute_console').where('until_us', '<=', now).execute();
    await transaction
      .insertInto('compute_console')
      .values({
        id: hashOf(token),
        server_id: serverId,
        kind,
        until_us: now + core.settings.consoleTokenMs * 1000,
      })
      .execute();
  });
  return token;
}

/** What a token stands for, while it does. */
export async function findConsole(
  core: ComputeCore,
  token: string,
): Promise<ConsoleRow | undefined> {
  return core.db
    .selectFrom('compute_console')
    .selectAll()
    .where('id', '=', hashOf(token))
    .where('until_us', '>', core.clock.nowUs())
    .executeTakeFirst();
}

/** The same, and it stands for nothing from now on: of two who come with it, one gets it. */
export async function takeConsole(
  core: ComputeCore,
  token: string,
): Promise<ConsoleRow | undefined> {
  const row = await findConsole(core, token);
  if (row === undefined) return undefined;
  const taken = await core.db
    .deleteFrom('compute_console')
    .where('id', '=', row.id)
    .executeTakeFirst();
  return taken.numDeletedRows === 1n ? row : undefined;
}

const hashOf = (token: string): string => createHash('sha256').update(token).digest('hex');
