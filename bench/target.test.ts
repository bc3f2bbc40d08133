import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { describeTarget, parseTarget } from './target.ts';

describe('targets', () => {
  let folder = '';
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'bench-target-'));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const file = (content: unknown): string => {
    const path = join(folder, 'target.json');
    writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
    return path;
  };

  it('reads URLs', () => {
    expect(parseTarget('swift+http://test:tester:testing@h:1/auth/v1.0')).toEqual({
      ...{ kind: 'swift', name: 'swift h:1', auth: 'http://h:1/auth/v1.0' },
      ...{ user: 'test:tester', key: 'testing' },
    });
    expect(parseTarget('swift+https://a%3Ab:k%2Fey@h/auth')).toMatchObject({
      user: 'a:b',
      key: 'k/ey',
    });
    expect(parseTarget('s3+http://AK:SK@h:2?region=eu')).toMatchObject({
      ...{ kind: 's3', endpoint: 'http://h:2', access_key: 'AK', secret_key: 'SK', region: 'eu' },
    });
    expect(parseTarget('keystone+http://u:p@h:3/v3?project=x&domain=D')).toMatchObject({
      ...{
        kind: 'keystone',
        auth: 'http://h:3/v3',
        username: 'u',
        password: 'p',
        project: 'x',
        domain: 'D',
      },
    });
    expect(parseTarget('nbd://h:4/vol', { server: { pids: [7] } })).toEqual({
      ...{ kind: 'nbd', name: 'nbd', uri: 'nbd://h:4/vol', server: { pids: [7] } },
    });
  });

  it('reads a target file, and lays the options over it', () => {
    const path = file({
      kind: 'nbd',
      uri: 'nbd://h/v',
      name: 'mine',
      server: { pids: [1], data_folder: '/d' },
    });
    expect(parseTarget(path, { server: { pids: [2] } })).toMatchObject({
      ...{ name: 'mine', server: { pids: [2], data_folder: '/d' } },
    });
  });

  it('reads what a started cloud printed, in each of its dialects', () => {
    const path = file({
      endpoints: {
        s3: 'http://h:2',
        swift_auth_v1: 'http://h:1/auth/v1.0',
        identity: 'http://h:3/v3',
        nbd: 'x',
      },
      admin: { username: 'admin', password: 'pw', project: 'p', domain: 'Default' },
      s3: { access_key: 'AK', secret_key: 'SK' },
    });
    expect(parseTarget(path).server).toBeUndefined();
    expect(parseTarget(path)).toMatchObject({
      kind: 'swift',
      user: 'p:admin',
      key: 'pw',
      name: 'pileus',
    });
    expect(parseTarget(path, { dialect: 's3' })).toMatchObject({
      kind: 's3',
      endpoint: 'http://h:2',
      access_key: 'AK',
    });
    expect(parseTarget(path, { dialect: 'keystone' })).toMatchObject({
      kind: 'keystone',
      auth: 'http://h:3/v3',
    });
  });

  it('watches a started cloud whose data folder is on this machine', () => {
    mkdirSync(join(folder, 'run'));
    const path = file({
      ...{ endpoints: { s3: 's', swift_auth_v1: 'http://h', identity: 'i' }, data: folder },
      admin: { username: 'a', password: 'p', project: 'x', domain: 'd' },
      s3: { access_key: 'AK', secret_key: 'SK' },
    });
    const server = { pid_folder: join(folder, 'run'), data_folder: folder };
    expect(parseTarget(path).server).toEqual(server);
  });

  it.each(['s3+http://h', 'keystone+http://u:p@h/v3', 'http://u:p@h', '/no/such/file'])(
    'refuses %s',
    (given) => {
      expect(() => parseTarget(given)).toThrow();
    },
  );
  it.each(['{', {}, { kind: 's3', endpoint: 'x' }, { kind: 'nbd', uri: '' }])(
    'refuses the file %j',
    (content) => {
      expect(() => parseTarget(file(content))).toThrow();
    },
  );

  it('never shows a secret', () => {
    const shown = JSON.stringify(describeTarget(parseTarget('swift+http://a:b:secret@h/auth')));
    expect(shown).not.toContain('secret');
    expect(() => parseTarget('ftp://u:secret@h')).toThrow(expect.not.stringContaining('secret'));
  });
});
