/** Writes that another cluster's container sync sends: what is there and newer stays, and times are kept. */

import { isFailure } from '#common';
import type { Reply } from '../exchange.ts';
import type { Container, ObjectRef } from '../objects/index.ts';
import { readNote } from './notes.ts';
import { page } from './refusal.ts';
import { headerOf, type SwiftRequest, type SwiftServices } from './swift-request.ts';

export const syncedSet = 'synced-container';

/** The set of what was deleted in a container and is to be told to the other one. */
export function deletionSet(container: Container): string {
  return `sync-deletion/${container.id}`;
}

/** The time at which the write happened over there; undefined for a request of our own clients. */
export function writtenUs({ exchange, internal }: SwiftRequest): number | undefined {
  if (internal?.synced !== true) return undefined;
  const text = headerOf(exchange, 'x-timestamp') ?? '';
  const match = /^(\d{1,10})(?:\.(\d{1,6}))?/.exec(text);
  if (match === null) return undefined;
  return Number(match[1]) * 1_000_000 + Number((match[2] ?? '').padEnd(6, '0'));
}

/** The same as a field of a put. */
export function writtenAt(request: SwiftRequest): { readonly modifiedUs?: number } {
  const modifiedUs = writtenUs(request);
  return modifiedUs === undefined ? {} : { modifiedUs };
}

/** The answer when something newer happened here already. */
export async function refuseOlder(
  { objects }: SwiftServices,
  ref: ObjectRef,
  timeUs: number,
): Promise<Reply | undefined> {
  const deleted = await readNote(objects, deletionSet(ref.container), ref.name);
  if (deleted !== undefined && Number.parseInt(deleted, 10) >= timeUs) return page(202);
  try {
    const { modifiedUs } = await objects.objects.head(ref);
    // Times travel with five decimals.
    return Math.floor(modifiedUs / 10) * 10 >= timeUs ? page(202) : undefined;
  } catch (error) {
    if (isFailure(error, 'missing')) return undefined;
    throw error;
  }
}
