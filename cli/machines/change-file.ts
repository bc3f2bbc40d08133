/** A change of the ring that is under way, or was the last: `ring/change.json`. With the map in force it says all that is left to do. */
import * as fs from 'node:fs';
import { type Static, Type } from 'typebox';
import { Value } from 'typebox/value';
import { Failure } from '#common';
import { type DataFolder, writePrivate } from '../data-folder.ts';

const ChangeFile = Type.Object({
  version: Type.Literal(1),
  state: Type.Union([
    Type.Literal('running'),
    Type.Literal('undoing'),
    Type.Literal('done'),
    Type.Literal('undone'),
  ]),
  /** Of a change that is being undone as well: it may be paused. */
  paused: Type.Boolean(),
  /** Ring files, base64: where it began and where it leads. */
  from: Type.String(),
  target: Type.String(),
  startedAt: Type.String(),
  endedAt: Type.Optional(Type.String()),
  waves: Type.Integer({ minimum: 0 }),
  wavesDone: Type.Integer({ minimum: 0 }),
  plannedBytes: Type.Number({ minimum: 0 }),
  movedBytes: Type.Number({ minimum: 0 }),
});
export type ChangeFile = Static<typeof ChangeFile>;

const pathIn = (folder: DataFolder) => folder.path('ring', 'change.json');

export function loadChange(folder: DataFolder): ChangeFile | undefined {
  const path = pathIn(folder);
  if (!fs.existsSync(path)) return undefined;
  const document: unknown = JSON.parse(fs.readFileSync(path, 'utf8'));
  if (Value.Check(ChangeFile, document)) return document;
  throw new Failure('corrupt', 'change-damaged', 'The change of the ring cannot be read', {
    facts: { path },
  });
}

export function saveChange(folder: DataFolder, change: ChangeFile): void {
  writePrivate(pathIn(folder), `${JSON.stringify(change, null, 2)}\n`);
}
