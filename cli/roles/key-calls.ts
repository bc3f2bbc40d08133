/** The control calls behind `pileus key …`. */
import { Type } from 'typebox';
import type { MasterKey, ObjectService } from '#proxy';
import type { KeyVersion } from '../commands/key.ts';
import { parseArguments } from '../control/arguments.ts';
import type { ControlHandler } from '../control/protocol.ts';

const Key = Type.Object({ key: Type.String({ minLength: 1, maxLength: 256 }) });

function shown({ name, version, createdUs }: MasterKey): KeyVersion {
  return { name, version, created: new Date(createdUs / 1000).toISOString() };
}

export function keyCalls({
  keys,
}: Pick<ObjectService, 'keys'>): Readonly<Record<string, ControlHandler>> {
  const list = async (key: string) => (await keys.list(key)).map(shown);
  return {
    'key-show': async (args) => await list(parseArguments(Key, args).key),
    'key-rotate': async (args) => {
      const { key } = parseArguments(Key, args);
      await keys.rotate(key);
      return await list(key);
    },
  };
}
