/** Whether somebody may read objects, asked by other doors than this dialect's own. */
import type { Authenticator, Identity } from '../authenticator.ts';
import type { Container, ObjectService } from '../objects/index.ts';
import { accessRules, authorize, type Caller } from './access.ts';
import { learnRight } from './account-acl.ts';
import { SwiftRefusal } from './refusal.ts';
import type { SwiftSettings } from './settings.ts';

export interface ObjectReader {
  readonly objects: ObjectService;
  readonly settings: SwiftSettings;
  readonly authenticator: Authenticator;
  readonly identity: Identity;
}

/** What a GET would be told. Without a container: whether everything in the account may be read. */
export async function mayReadObject(
  { objects, settings, authenticator, identity }: ObjectReader,
  account: string,
  container: Container | undefined,
): Promise<boolean> {
  const caller: Caller = {
    identity,
    referer: undefined,
    rules: accessRules(settings),
    rights: new Map(),
    namelessAccounts: new Set(),
  };
  try {
    await learnRight(caller, account, { objects, authenticator });
    authorize(caller, account, container, 'object');
    return true;
  } catch (error) {
    if (error instanceof SwiftRefusal) return false;
    throw error;
  }
}
