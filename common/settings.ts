/**
 * Settings: each room declares its part (name, unit, default, range, one sentence); one document is parsed once
 * at start into frozen values. Everything wrong with it is said together, before anything listens.
 */
import { Failure } from './failure.ts';

export interface IntegerSetting {
  readonly type: 'integer';
  readonly default: number;
  readonly min: number;
  readonly max: number;
  readonly about: string;
}
export interface NumberSetting extends Omit<IntegerSetting, 'type'> {
  readonly type: 'number';
}
export interface TextSetting {
  readonly type: 'text';
  readonly default: string;
  readonly pattern?: RegExp;
  readonly about: string;
}
export interface ChoiceSetting {
  readonly type: 'choice';
  readonly default: string;
  readonly choices: readonly string[];
  readonly about: string;
}
export interface SwitchSetting {
  readonly type: 'switch';
  readonly default: boolean;
  readonly about: string;
}
export type Setting = IntegerSetting | NumberSetting | TextSetting | ChoiceSetting | SwitchSetting;

/** A room's settings: names end in their unit (`timeoutMs`, `sizeBytes`) or limit (`inFlightMax`). */
export type SettingsDeclaration = Readonly<Record<string, Setting>>;

type ValueOf<S extends Setting> = S extends { type: 'integer' | 'number' }
  ? number
  : S extends { type: 'switch' }
    ? boolean
    : S extends { type: 'choice'; choices: readonly (infer C)[] }
      ? C
      : string;

export type SettingsOf<D extends SettingsDeclaration> = { readonly [K in keyof D]: ValueOf<D[K]> };

/** Keeps literal types of a declaration. */
export function declareSettings<const D extends SettingsDeclaration>(declaration: D): D {
  return declaration;
}

/** The declared defaults as frozen values: what a room runs with when nobody says otherwise. */
export function defaultsOf<D extends SettingsDeclaration>(declaration: D): SettingsOf<D> {
  return parseRoom('', declaration, {}, []);
}

/** Parses `{room: {name: value}}` against the rooms' declarations; throws one `invalid` Failure naming every problem. */
export function parseSettings<R extends Readonly<Record<string, SettingsDeclaration>>>(
  rooms: R,
  document: unknown,
): { readonly [K in keyof R]: SettingsOf<R[K]> } {
  const problems: string[] = [];
  const given = asRecord(document, 'the settings document', problems);
  for (const name of Object.keys(given)) {
    if (!Object.hasOwn(rooms, name))
      problems.push(`${name}: there is no such section${suggest(name, Object.keys(rooms))}`);
  }
  const parsed: Record<string, unknown> = {};
  for (const [room, declaration] of Object.entries(rooms)) {
    parsed[room] = parseRoom(
      room,
      declaration,
      asRecord(given[room] ?? {}, room, problems),
      problems,
    );
  }
  if (problems.length > 0) {
    throw new Failure(
      'invalid',
      'bad-settings',
      `The settings are wrong:\n  ${problems.join('\n  ')}`,
    );
  }
  return Object.freeze(parsed) as { readonly [K in keyof R]: SettingsOf<R[K]> };
}

function asRecord(value: unknown, name: string, problems: string[]): Record<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { ...value };
  if (value !== null && value !== undefined)
    problems.push(`${name}: expected a section with names and values`);
  return {};
}

function parseRoom<D extends SettingsDeclaration>(
  room: string,
  declaration: D,
  given: Record<string, unknown>,
  problems: string[],
): SettingsOf<D> {
  for (const name of Object.keys(given)) {
    if (!Object.hasOwn(declaration, name)) {
      problems.push(
        `${room}.${name}: there is no such setting${suggest(name, Object.keys(declaration))}`,
      );
    }
  }
  const values: Record<string, unknown> = {};
  for (const [name, setting] of Object.entries(declaration)) {
    const value = Object.hasOwn(given, name) ? given[name] : setting.default;
    const problem = problemOf(setting, value);
    if (problem !== undefined)
      problems.push(`${room}.${name}: ${problem}, got ${JSON.stringify(value)}`);
    values[name] = value;
  }
  return Object.freeze(values) as SettingsOf<D>;
}

function problemOf(setting: Setting, value: unknown): string | undefined {
  switch (setting.type) {
    case 'integer':
      return Number.isSafeInteger(value) && inRange(setting, value)
        ? undefined
        : `expected a whole number from ${setting.min} to ${setting.max}`;
    case 'number':
      return inRange(setting, value)
        ? undefined
        : `expected a number from ${setting.min} to ${setting.max}`;
    case 'switch':
      return typeof value === 'boolean' ? undefined : 'expected true or false';
    case 'choice':
      return typeof value === 'string' && setting.choices.includes(value)
        ? undefined
        : `expected one of ${setting.choices.join(', ')}`;
    case 'text':
      if (typeof value !== 'string') return 'expected text';
      return setting.pattern === undefined || setting.pattern.test(value)
        ? undefined
        : `expected text like ${setting.pattern}`;
  }
}

function inRange(setting: { readonly min: number; readonly max: number }, value: unknown): boolean {
  return typeof value === 'number' && value >= setting.min && value <= setting.max;
}

/** ` (did you mean …?)` when one known name is a slip away. */
function suggest(name: string, known: readonly string[]): string {
  const near = known.find(
    (other) => other.toLowerCase() === name.toLowerCase() || differences(other, name) <= 2,
  );
  return near === undefined ? '' : ` (did you mean ${near}?)`;
}

/** Edit distance (Levenshtein), good enough for names. */
function differences(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, at) => at);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replace = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, replace));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
