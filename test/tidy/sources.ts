/** The source files of the repository and their imports, for the tidy tests. */
import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs';
import { join } from 'node:path';

export const root = join(import.meta.dirname, '../..');

export interface Source {
  /** Path from the repository's root. */
  readonly path: string;
  /** The first folder of the path. */
  readonly room: string;
  readonly text: string;
  readonly isTest: boolean;
}

/** Files that git tracks or would track. */
export function trackedFiles(): string[] {
  const listed = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], {
    cwd: root,
    encoding: 'utf8',
  });
  return listed.split('\n').filter((path) => path !== '' && fs.existsSync(join(root, path)));
}

export function sources(): Source[] {
  const paths = trackedFiles().filter((path) => path.endsWith('.ts') && path.includes('/'));
  return paths.map((path) => ({
    path,
    room: path.split('/')[0] ?? '',
    text: fs.readFileSync(join(root, path), 'utf8'),
    isTest: /\.(test|contract)\.ts$|\/(testing|bench|conformance)\//.test(path),
  }));
}

/** The specifiers that a file imports or re-exports. */
export function importsOf(source: Source): string[] {
  const found = source.text.matchAll(
    /(?:^|\n)\s*(?:import|export)\s[^;'"]*?from\s*['"]([^'"]+)['"]|import\s*\(?['"]([^'"]+)['"]/g,
  );
  return [...found].map((match) => match[1] ?? match[2] ?? '');
}
