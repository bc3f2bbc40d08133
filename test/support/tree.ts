/** A tree of files with odd names and sizes, and its comparison. */
import { createHash } from 'node:crypto';
import * as fs from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { type Random, seededRandom } from '#common';

const oddParts = [
  'plain',
  'with space',
  'ünïcödé',
  '日本語',
  'emoji-😀',
  'plus+plus',
  'percent%41',
  "quote's",
  'dou"ble',
  'amp&ersand',
  'semi;colon',
  'hash#tag',
  'question?mark',
  'at@sign',
  'tilde~',
  'back`tick',
  'br[ack]et',
  'cur{ly}',
  'star*',
  'e\u0301combining',
  'trailing.',
  '.hidden',
  'comma,',
  'equals=',
  'dollar$',
  'exclam!',
  'colon:x',
  'less<more>',
  'pi|pe',
  'very-long-'.repeat(8),
];

/** Writes `count` files under `folder`; the same seed gives the same tree. */
export function writeTree(folder: string, count: number, seed: number): void {
  const random = seededRandom(seed);
  for (let at = 0; at < count; at++) {
    const path = join(
      folder,
      ...folders(random),
      `${oddParts[random.below(oddParts.length)]}-${at}`,
    );
    fs.mkdirSync(dirname(path), { recursive: true });
    fs.writeFileSync(path, random.bytes(sizeOf(random)));
  }
}

function folders(random: Random): string[] {
  return Array.from(
    { length: random.below(4) },
    () => `${oddParts[random.below(oddParts.length)]}`,
  );
}

/** Mostly small, some at the edges where storage changes its ways, a few empty. */
function sizeOf(random: Random): number {
  const kind = random.below(100);
  if (kind < 5) return 0;
  if (kind < 85) return random.below(4096);
  if (kind < 97) return 16_384 - 2 + random.below(5);
  return random.below(300_000);
}

/** `path → MD5` of every file below `folder`. */
export function digestTree(folder: string): Map<string, string> {
  const found = new Map<string, string>();
  for (const entry of fs.readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    found.set(
      relative(folder, path),
      createHash('md5').update(fs.readFileSync(path)).digest('hex'),
    );
  }
  return found;
}
