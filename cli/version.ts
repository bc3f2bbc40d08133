/** This program's version, and which others it works with. */
import * as fs from 'node:fs';
import { join } from 'node:path';

export const version = (
  JSON.parse(fs.readFileSync(join(import.meta.dirname, '../package.json'), 'utf8')) as {
    version: string;
  }
).version;

/** A cluster is upgraded machine by machine, one step at a time: same major version, minor versions at most one apart. */
export function worksWith(one: string, other: string): boolean {
  const [major, minor] = one.split('.').map(Number);
  const [otherMajor, otherMinor] = other.split('.').map(Number);
  if (minor === undefined || otherMinor === undefined) return false;
  return major === otherMajor && Math.abs(minor - otherMinor) <= 1;
}
