/** What goes with a thing that is deleted, and names that are taken. */
import { type Failure, isFailure } from '#common';
import type { Tx } from '../core.ts';
import { identityFailure } from '../failures.ts';
import type { ActorType } from '../tables.ts';

/** Turns a unique constraint's complaint into Keystone's conflict. */
export async function onDuplicate<T>(
  what: string,
  name: string,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (isFailure(error) && error.code === 'unique-violation')
      throw identityFailure('duplicate', { what, name }, error);
    throw error;
  }
}

/** Assignments name actors and targets of several kinds, so no foreign key removes them. */
export async function removeActor(transaction: Tx, type: ActorType, id: string): Promise<void> {
  await transaction
    .deleteFrom('identity_assignment')
    .where('actor_type', '=', type)
    .where('actor_id', '=', id)
    .execute();
}

export async function removeTarget(
  transaction: Tx,
  type: 'project' | 'domain',
  id: string,
): Promise<void> {
  await transaction
    .deleteFrom('identity_assignment')
    .where('target_type', '=', type)
    .where('target_id', '=', id)
    .execute();
  await transaction.deleteFrom('identity_credential').where('project_id', '=', id).execute();
  await transaction.deleteFrom('identity_trust').where('project_id', '=', id).execute();
  await transaction
    .deleteFrom('identity_application_credential')
    .where('project_id', '=', id)
    .execute();
  await transaction
    .updateTable('identity_user')
    .set({ default_project_id: null })
    .where('default_project_id', '=', id)
    .execute();
}

/** What a foreign key complains of, in words: something that is named is not there, or something is still needed. */
export async function onForeignKey<T>(failure: () => Failure, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (isFailure(error) && error.code === 'foreign-key-violation') throw failure();
    throw error;
  }
}
