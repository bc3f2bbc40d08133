import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkPlace, findPlace, readBackupTargets } from './backup-targets.ts';

let folder = '';
beforeAll(() => {
  folder = fs.mkdtempSync(join(tmpdir(), 'backup-targets-'));
});
afterAll(() => fs.rmSync(folder, { recursive: true }));

const offsite = {
  endpoint: 'https://s3.example.org',
  accessKey: 'AK',
  secretKey: 'hidden-key',
  projects: ['p1'],
  buckets: ['ship', 'of-{project}'],
};

function read(text: string, mode = 0o600) {
  const path = join(folder, 'backup-targets.yaml');
  fs.rmSync(path, { force: true });
  fs.writeFileSync(path, text, { mode });
  fs.chmodSync(path, mode);
  return readBackupTargets(path);
}

describe('backup-targets.yaml', () => {
  it('is nothing when it is not there, and what it says when it is', () => {
    expect(readBackupTargets(join(folder, 'none'))).toEqual({});
    expect(read(JSON.stringify({ offsite }))).toEqual({ offsite });
  });

  it('is refused when others may read it', () => {
    for (const mode of [0o644, 0o640, 0o602])
      expect(() => read(JSON.stringify({ offsite }), mode)).toThrow(/chmod 600/);
  });

  it('is refused with what is wrong, but never with what it says', () => {
    const wrong = [
      { ...offsite, projects: undefined },
      { ...offsite, endpoint: 'ftp://x' },
      { ...offsite, endpoint: 'https://user:hidden-key@x' },
      { ...offsite, secret: 'hidden-key' },
    ];
    for (const target of wrong)
      expect(() => read(JSON.stringify({ offsite: target }))).toThrow(/expected names/);
    for (const text of [JSON.stringify({ offsite: wrong[3] }), 'offsite: {hidden-key: [']) {
      let words = '';
      try {
        read(text);
      } catch (error) {
        words = String(error);
      }
      expect(words).toMatch(/backup-targets/);
      expect(words).not.toContain('hidden-key');
    }
  });
});

describe('places of backups', () => {
  const targets = { offsite, all: { ...offsite, projects: ['*'], buckets: ['*'] } };

  it('are containers of the project, or buckets of targets', () => {
    expect(findPlace(targets, 'volumebackups')).toBeUndefined();
    expect(findPlace(targets, 'offsite:ship')).toEqual({ target: offsite, bucket: 'ship' });
    for (const name of ['nowhere:ship', ':ship', 'constructor:ship'])
      expect(() => findPlace(targets, name)).toThrow(/no backup target/);
    for (const bucket of ['', '..', 'a..b', '../x', 'UPPER', 'a/b', 'a?acl', '-a-', 'x'.repeat(64)])
      expect(() => findPlace(targets, `offsite:${bucket}`)).toThrow(/no name of a bucket/);
  });

  it('are for the projects and of the buckets that the target names', () => {
    for (const place of ['anything', 'offsite:ship', 'offsite:of-p1'])
      expect(() => checkPlace(targets, 'p1', place)).not.toThrow();
    expect(() => checkPlace(targets, 'p1', 'offsite:of-p2')).toThrow(/may not use bucket/);
    // Whether there is one for others is not told.
    expect(() => checkPlace(targets, 'p2', 'offsite:ship')).toThrow(/no backup target offsite/);
    expect(() => checkPlace(targets, 'p2', 'all:whatever')).not.toThrow();
  });
});
