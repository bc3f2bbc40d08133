/**
 * Pins (docs/formats/volume-pin.md): points of a volume that something still refers to: a snapshot that a user sees, what a clone was made of, what a
 * backup or a reader is at. A pin is a row under its volume's partition key; who uses it (clones) are rows beside it.
 *
 * Invariant: who begins to use a pin writes its own row first and reads the pin's afterwards; who ends a pin marks it first and looks for users
 * afterwards. So one of the two always sees the other.
 */
import type { RowRef, StoredRow, Tables } from '#cluster';
import { Failure } from '#common';
import { Fields, headFailure, parseObject } from './fields.ts';
import { checkTail, decodeManifest, type Manifest } from './head.ts';

const pinTable = 'volume-pin';
const userTable = 'volume-pin-user';
const pageRows = 1000;

/** `live`: a snapshot; `hidden`: only its users keep it; `ending`: no one may begin to use it any more. */
export type PinState = 'live' | 'hidden' | 'ending';

export interface Pin extends Manifest {
  readonly id: string;
  readonly volume: string;
  readonly name: string;
  readonly state: PinState;
  readonly sizeBytes: number;
  readonly createdUs: number;
  /** The number of the first segment that is not in it: what it refers to was written before. */
  readonly border: number;
}

function pinRef(volume: string, pin: string): RowRef {
  return { table: pinTable, partition: volume, sort: pin };
}

export function encodePin(pin: Pin): Buffer {
  return Buffer.from(JSON.stringify({ format: 'pileus-volume-pin', version: 1, ...pin }));
}

export function decodePin(meta: Buffer): Pin {
  const fields = new Fields(parseObject(meta.toString('utf8')));
  if (fields.text('format') !== 'pileus-volume-pin' || fields.whole('version') !== 1)
    throw headFailure('format');
  const state = fields.text('state');
  if (state !== 'live' && state !== 'hidden' && state !== 'ending') throw headFailure('state');
  const pin: Pin = {
    id: fields.text('id'),
    volume: fields.text('volume'),
    name: fields.text('name'),
    state,
    sizeBytes: fields.whole('sizeBytes'),
    createdUs: fields.whole('createdUs'),
    border: fields.whole('border'),
    ...decodeManifest(fields),
  };
  checkTail(pin);
  return pin;
}

function rowOf(pin: Pin) {
  return { meta: encodePin(pin), bytes: 0, body: Buffer.alloc(0) };
}

export async function findPin(
  tables: Tables,
  volume: string,
  pin: string,
): Promise<Pin | undefined> {
  const row = await tables.get(pinRef(volume, pin));
  return row === undefined ? undefined : decodePin(row.meta);
}

export async function putPin(tables: Tables, pin: Pin): Promise<void> {
  await tables.put(pinRef(pin.volume, pin.id), rowOf(pin));
}

export async function deletePinRow(tables: Tables, volume: string, pin: string): Promise<void> {
  await tables.delete(pinRef(volume, pin));
}

/** Changes the state; undefined when there is no such pin. */
export async function changePin(
  tables: Tables,
  volume: string,
  id: string,
  change: (pin: Pin) => Pin,
): Promise<Pin | undefined> {
  let changed: Pin | undefined;
  await tables.update(pinRef(volume, id), (present) => {
    if (present === undefined) {
      changed = undefined;
      return 'keep';
    }
    changed = change(decodePin(present.meta));
    return rowOf(changed);
  });
  return changed;
}

export async function listPins(tables: Tables, volume: string): Promise<Pin[]> {
  const pins: Pin[] = [];
  for await (const row of rowsOf(tables, pinTable, volume)) pins.push(decodePin(row.meta));
  return pins;
}

async function* rowsOf(tables: Tables, table: string, partition: string, prefix?: string) {
  let marker: string | undefined;
  for (;;) {
    const page = await tables.list({
      table,
      partition,
      limit: pageRows,
      ...(prefix === undefined ? {} : { prefix }),
      ...(marker === undefined ? {} : { marker }),
    });
    let last: StoredRow | undefined;
    for (const { row } of page.entries) {
      if (row === undefined) continue;
      last = row;
      yield row;
    }
    if (!page.more || last === undefined) return;
    marker = last.sort;
  }
}

function userRef(volume: string, pin: string, user: string): RowRef {
  return { table: userTable, partition: volume, sort: `${pin}/${user}` };
}

/** Begins to use a pin: it stays until `stopUsing`. `missing` when it is ending or gone. */
export async function usePin(
  tables: Tables,
  volume: string,
  pin: string,
  user: string,
): Promise<Pin> {
  const empty = Buffer.alloc(0);
  await tables.put(userRef(volume, pin, user), { meta: empty, bytes: 0, body: empty });
  const found = await findPin(tables, volume, pin);
  if (found !== undefined && found.state !== 'ending') return found;
  await stopUsing(tables, volume, pin, user);
  throw missingSnapshot(volume, pin);
}

export async function stopUsing(
  tables: Tables,
  volume: string,
  pin: string,
  user: string,
): Promise<void> {
  await tables.delete(userRef(volume, pin, user));
}

export async function hasUsers(tables: Tables, volume: string, pin: string): Promise<boolean> {
  const page = await tables.list({
    table: userTable,
    partition: volume,
    prefix: `${pin}/`,
    limit: 1,
  });
  return page.entries.length > 0;
}

export function missingSnapshot(volume: string, snapshot: string): Failure {
  return new Failure('missing', 'snapshot-missing', 'There is no such snapshot', {
    facts: { volumeId: volume, snapshot },
  });
}
