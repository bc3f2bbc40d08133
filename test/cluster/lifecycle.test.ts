/** Start, stop and start again; and everything that must stop a start before anything listens. */
import * as fs from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { freePortBase, pileus, run, runOk, scratchFolder, TestCloud } from '../support/cloud.ts';

const scratch = scratchFolder('lifecycle');
afterAll(() => fs.rmSync(scratch, { recursive: true, force: true }));

/** One clear sentence on standard error, a code that is not 0 and not a crash's. */
async function refusedStart(args: readonly string[], sentence: RegExp): Promise<void> {
  const ran = await pileus(['up', ...args]);
  expect(ran.stderr).toMatch(sentence);
  expect(
    ran.stderr
      .trim()
      .split('\n')
      .filter((line) => line.startsWith('pileus: ')),
  ).toHaveLength(1);
  expect(ran.stderr).not.toMatch(/^\s+at /m);
  expect([0, 1, 70]).not.toContain(ran.code);
}

describe('a cloud on a folder of its own', () => {
  test('starts from nothing, again, stops, and comes back with its data', async () => {
    const cloud = await TestCloud.start('lifecycle');
    const { info } = cloud;
    expect(Object.keys(info.endpoints)).toEqual(
      expect.arrayContaining(['s3', 'swift_auth_v1', 'identity', 'nbd', 'metrics']),
    );
    expect(info.s3.access_key).toMatch(/^[A-Za-z0-9]{16,}$/);
    expect(info.s3.secret_key).toMatch(/^[A-Za-z0-9]{32,}$/);

    const again = JSON.parse(await cloud.pileus(['up', '--json']));
    expect(again.pid).toBe(info.pid);

    const { url, token } = await cloud.session();
    const headers = { 'x-auth-token': token };
    expect((await fetch(`${url}/kept`, { method: 'PUT', headers })).status).toBe(201);
    expect(
      (await fetch(`${url}/kept/a`, { method: 'PUT', headers, body: 'still here' })).status,
    ).toBe(201);

    await cloud.down();
    expect((await pileus(['status', '--data', cloud.data])).code).not.toBe(0);
    await cloud.restart();
    expect(cloud.info.admin).toEqual(info.admin);
    expect(cloud.info.s3).toEqual(info.s3);
    const session = await cloud.session();
    const read = await fetch(`${session.url}/kept/a`, {
      headers: { 'x-auth-token': session.token },
    });
    expect(await read.text()).toBe('still here');
    const status = JSON.parse(await cloud.pileus(['status', '--json']));
    expect(status.healthy).toBe(true);
    expect(status.devices).toHaveLength(4);
    await cloud.remove();
  });

  test('tells metrics and health, and makes users with keys', async () => {
    const cloud = await TestCloud.start('users');
    expect(await (await fetch(cloud.info.endpoints.metrics)).text()).toMatch(/^# HELP /m);
    expect((await fetch(cloud.info.endpoints.health)).status).toBe(200);
    const args = [
      'user',
      'create',
      '--project',
      'team',
      '--name',
      'ada',
      '--password',
      'pass-word-1',
      '--s3',
      '--json',
    ];
    const user = JSON.parse(await cloud.pileus(args));
    expect(user.s3.access_key).toMatch(/^[A-Za-z0-9]+$/);
    const env = {
      ...cloud.s3Env(),
      AWS_ACCESS_KEY_ID: user.s3.access_key,
      AWS_SECRET_ACCESS_KEY: user.s3.secret_key,
    };
    await runOk(
      '/usr/bin/aws',
      ['--endpoint-url', cloud.info.endpoints.s3, 's3', 'mb', 's3://of-the-team'],
      { env },
    );
    const listed = await runOk('swift', ['list'], {
      env: { ...cloud.swiftEnv(), ST_USER: 'team:ada', ST_KEY: 'pass-word-1' },
    });
    expect(listed).toBe('of-the-team\n');
    expect(await runOk('swift', ['list'], { env: cloud.swiftEnv() })).not.toContain('of-the-team');
    const twice = await run(join(import.meta.dirname, '../../pileus'), [
      ...args,
      '--data',
      cloud.data,
    ]);
    expect(twice.code).not.toBe(0);
    expect(twice.stderr).toMatch(/^pileus: .*Duplicate entry found with name ada/);
    await cloud.remove();
  });
});

describe('a start that cannot succeed', () => {
  test('a wrong setting', async () => {
    const data = join(scratch, 'wrong-setting');
    fs.mkdirSync(data);
    fs.writeFileSync(join(data, 'settings.yaml'), 'cloud:\n  devicess: 3\n  replicas: many\n');
    await refusedStart(
      ['--data', data],
      /devicess: there is no such setting \(did you mean devices\?\)[\s\S]*replicas: expected a whole number/,
    );
  });

  test('a port in use', async () => {
    const base = await freePortBase();
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(base, '127.0.0.1', resolve));
    await refusedStart(
      ['--data', join(scratch, 'port'), '--port-base', String(base)],
      new RegExp(`address=127.0.0.1:${base}`),
    );
    await new Promise((resolve) => taken.close(resolve));
  });

  test('a data folder of a newer version', async () => {
    const data = join(scratch, 'newer');
    fs.mkdirSync(data);
    fs.writeFileSync(join(data, 'pileus.json'), JSON.stringify({ formatVersion: 99 }));
    await refusedStart(['--data', data], /written by a newer version of Pileus/);
  });

  test('a folder with something else in it', async () => {
    const data = join(scratch, 'other');
    fs.mkdirSync(data);
    fs.writeFileSync(join(data, 'thesis.tex'), '');
    await refusedStart(['--data', data], /holds something else/);
  });

  test('a full disk', async () => {
    const data = join(scratch, 'full');
    fs.mkdirSync(data);
    await runOk('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', data]);
    try {
      await refusedStart(['--data', data], /disk is full/);
    } finally {
      await runOk('umount', [data]);
    }
  });
});
