/** Rules of the house that a machine can hold: layers, seams, links, names, sizes. */
import * as fs from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { describe, expect, test } from 'vitest';
import { refusal } from './layers.ts';
import { importsOf, root, sources, trackedFiles } from './sources.ts';

const all = sources();
const product = all.filter(
  (source) => !source.isTest && !['test', 'bench', 'tools'].includes(source.room),
);

describe('layers', () => {
  test('imports across rooms follow the table and name the room', () => {
    const wrong: string[] = [];
    for (const source of all) {
      for (const specifier of importsOf(source)) {
        const reason = crossing(source.path, source.room, specifier, source.isTest);
        if (reason !== undefined) wrong.push(`${source.path}: ${reason}`);
      }
    }
    expect(wrong).toEqual([]);
  });

  test('the table refuses a crossing import', () => {
    expect(refusal('ring', '#cluster', { test: false })).toContain('may not import');
    expect(refusal('proxy', '#storage-node', { test: false })).toContain('may not import');
    expect(refusal('proxy', '#cluster', { test: false })).toBeUndefined();
  });
});

function crossing(
  path: string,
  room: string,
  specifier: string,
  isTest: boolean,
): string | undefined {
  if (specifier.startsWith('#')) return refusal(room, specifier, { test: isTest });
  // Contracts are not on a room's public face, since they bring the test runner along: tests reach for them by path.
  if (!specifier.startsWith('.') || (isTest && specifier.endsWith('.contract.ts')))
    return undefined;
  const to = normalize(join(dirname(path), specifier));
  // The servers API is tested on both engines, as the services within `cloud/` are.
  if (room === 'compute-hooks' && to.startsWith('cloud/state/testing/')) return undefined;
  const [target] = to.split('/');
  if (target === room || ['test', 'bench', 'tools'].includes(room)) return undefined;
  return `${specifier} leaves the room: import #${target}`;
}

describe('seams', () => {
  // What only the seams in common/ (and the joining code in cli/) may touch, so that a cluster replays from one seed.
  const bans: readonly { what: string; pattern: RegExp; except: RegExp }[] = [
    {
      what: 'the system clock',
      pattern: /\bDate\.now\(|\bnew Date\(\)|\bperformance\.now\(/,
      except: /^(common\/clock|cli\/)/,
    },
    {
      what: 'global timers',
      pattern: /(?<![.\w])set(Timeout|Interval)\(/,
      except: /^(common\/clock|cli\/)/,
    },
    {
      what: 'global randomness',
      pattern: /\bMath\.random\(|\brandomBytes\(|\brandomUUID\(/,
      except: /^common\/random/,
    },
    { what: 'the environment', pattern: /\bprocess\.env\b/, except: /^cli\// },
  ];
  for (const { what, pattern, except } of bans) {
    test(`${what} is used through its seam only`, () => {
      const wrong = product.filter(
        (source) => !except.test(source.path) && pattern.test(source.text),
      );
      expect(wrong.map((source) => source.path)).toEqual([]);
    });
  }
});

describe('documents', () => {
  test('every link to a file in the repository leads somewhere', () => {
    const wrong: string[] = [];
    for (const path of trackedFiles().filter((name) => name.endsWith('.md'))) {
      const text = fs.readFileSync(join(root, path), 'utf8');
      for (const [, target = ''] of text.matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)) {
        if (/^[a-z]+:/.test(target)) continue;
        if (!fs.existsSync(join(root, dirname(path), target))) wrong.push(`${path}: ${target}`);
      }
    }
    expect(wrong).toEqual([]);
  });

  test('every room says what it is', () => {
    const rooms = new Set(
      product.filter((source) => source.room !== 'cloud').map((source) => source.room),
    );
    const silent = [...rooms].filter((room) => !fs.existsSync(join(root, room, 'DESIGN.md')));
    expect(silent).toEqual([]);
  });
});

describe('files', () => {
  test('names are kebab-case and say something', () => {
    const vague = /(^|\/)(utils?|helpers?|misc|manager|base)(\.ts)?($|\/)/;
    const wrong = all.filter(
      (source) => vague.test(source.path) || !/^[a-z0-9./-]+$/.test(source.path),
    );
    expect(wrong.map((source) => source.path)).toEqual([]);
  });

  test('no source file is longer than can be read in one sitting', () => {
    const long = all.filter(
      (source) => source.text.split('\n').length > (source.isTest ? 700 : 500),
    );
    expect(long.map((source) => source.path)).toEqual([]);
  });

  test('no test is skipped or left alone', () => {
    const pattern = new RegExp(
      ['\\b(it|test|describe)\\.(sk', 'ip|on', 'ly|to', 'do)\\b'].join(''),
    );
    expect(all.filter((source) => pattern.test(source.text)).map((source) => source.path)).toEqual(
      [],
    );
  });
});
