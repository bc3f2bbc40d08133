/** The programs that people use against the NBD server, as they come from the distribution. */
import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type NbdWorld, startNbdWorld } from '../testing/nbd-world.ts';

const mib = 1024 * 1024;
const python = '/usr/bin/python3';

describe('NBD clients', () => {
  let world: NbdWorld;
  beforeEach(async () => {
    world = await startNbdWorld(64 * mib, { listExports: true });
  });
  afterEach(async () => {
    await world.close();
  });

  it('nbdinfo sees what the server can', async () => {
    const seen = JSON.parse(await world.client('nbdinfo', '--json', world.uri));
    expect(seen.protocol).toBe('newstyle-fixed');
    expect(seen.structured).toBe(true);
    const [one] = seen.exports;
    expect(one['export-size']).toBe(64 * mib);
    expect(one.block_size_minimum).toBe(512);
    expect(one.block_size_preferred).toBe(4096);
    expect(one.contexts).toContain('base:allocation');
    for (const able of ['can_flush', 'can_fua', 'can_trim', 'can_zero', 'can_multi_conn', 'can_df'])
      expect(one[able], able).toBe(true);
    const list = await world.client('nbdinfo', '--list', `nbd+unix:///?socket=${world.socketPath}`);
    expect(list).toContain('6f1c2a52');
  });

  it('nbdcopy brings a file there and back over several connections', async () => {
    const file = join(world.folder, 'in');
    const back = join(world.folder, 'out');
    const content = Buffer.alloc(64 * mib);
    randomBytes(20 * mib).copy(content, 3 * mib);
    randomBytes(5 * mib).copy(content, 40 * mib);
    await writeFile(file, content);
    await world.client('nbdcopy', '--flush', '--connections=4', file, world.uri);
    await world.client('nbdcopy', '--connections=4', world.uri, back);
    expect((await readFile(back)).equals(content)).toBe(true);
    const map = JSON.parse(await world.client('nbdinfo', '--json', '--map', world.uri));
    expect(map[0]).toMatchObject({ offset: 0, length: 3 * mib, type: 3 });
    expect(map[1]).toMatchObject({ offset: 3 * mib, type: 0 });
  });

  it('qemu-img converts, compares and maps', async () => {
    const file = join(world.folder, 'image.qcow2');
    const raw = join(world.folder, 'image.raw');
    const content = Buffer.alloc(64 * mib);
    randomBytes(9 * mib).copy(content, mib);
    await writeFile(raw, content);
    await world.client('qemu-img', 'convert', '-f', 'raw', '-O', 'qcow2', raw, file);
    await world.client('qemu-img', 'convert', '-n', '-W', '-O', 'raw', file, world.uri);
    await world.client('qemu-img', 'compare', '-f', 'qcow2', '-F', 'raw', file, world.uri);
    const map = JSON.parse(await world.client('qemu-img', 'map', '--output=json', world.uri));
    expect(map[0]).toMatchObject({ start: 0, length: mib, zero: true, data: false });
    expect(world.volume.stats().liveBytes).toBe(9 * mib);
  });

  it('libnbd trims, zeroes, flushes and is refused what makes no sense', async () => {
    const script = `
import nbd, errno
h = nbd.NBD()
h.add_meta_context("base:allocation")
h.set_strict_mode(0)
h.connect_uri("${world.uri}")
h.pwrite(b"a" * 65536, 4096, nbd.CMD_FLAG_FUA)
assert h.pread(512, 4096) == b"a" * 512
h.trim(4096, 8192)
assert h.pread(4096, 8192) == bytes(4096)
h.zero(4096, 16384, nbd.CMD_FLAG_FAST_ZERO | nbd.CMD_FLAG_FUA)
assert h.pread(8192, 12288) == b"a" * 4096 + bytes(4096)
h.flush()
h.cache(65536, 0)
seen = []
h.block_status(64 * 1024 * 1024, 0, lambda name, at, entries, error: seen.append((name, entries)) or 0)
assert seen[0][0] == "base:allocation" and seen[0][1][:4] == [4096, 3, 4096, 0], seen
def refused(number, run):
    try: run()
    except nbd.Error as e: assert e.errnum == number, (e.errnum, number)
    else: raise Exception("not refused")
refused(errno.EINVAL, lambda: h.pread(100, 0))
refused(errno.EINVAL, lambda: h.pread(512, 64 * 1024 * 1024))
refused(errno.ENOSPC, lambda: h.pwrite(b"x" * 512, 64 * 1024 * 1024))
refused(errno.EINVAL, lambda: h.pwrite(b"x" * 513, 0))
refused(errno.ENOSPC, lambda: h.zero(512, 2 ** 63))
assert h.pread(512, 4096) == b"a" * 512
h.shutdown()
print("good")
`;
    expect(await world.client(python, '-c', script)).toContain('good');
  });

  it('serves a client without structured replies and one that names its export the old way', async () => {
    const script = `
import nbd
for set in (lambda h: h.set_request_structured_replies(False), lambda h: h.set_handshake_flags(0)):
    h = nbd.NBD()
    set(h)
    h.connect_uri("${world.uri}")
    h.pwrite(b"q" * 1048576, 1048576)
    assert h.pread(1048576, 1048576) == b"q" * 1048576
    assert h.pread(4096, 8388608) == bytes(4096)
    h.shutdown()
print("good")
`;
    expect(await world.client(python, '-c', script)).toContain('good');
  });

  it('fio verifies what it wrote, with flushes, over several connections', async () => {
    const out = await world.client(
      'fio',
      '--verify_state_save=0',
      '--name=v',
      '--ioengine=nbd',
      `--uri=${world.uri}`,
      '--rw=randwrite',
      '--bsrange=4k-128k',
      '--blockalign=4k',
      '--size=48m',
      '--iodepth=16',
      '--fsync=20',
      '--verify=crc32c',
      '--do_verify=1',
      '--verify_fatal=1',
      '--output-format=json',
    );
    const [job] = JSON.parse(out.slice(out.indexOf('{'))).jobs;
    expect(job.error).toBe(0);
    expect(job.read.total_ios).toBeGreaterThan(100);
  });
});
