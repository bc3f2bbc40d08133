/** Real NBD clients and what the volumes service promises them: credentials, TLS, snapshots, changed blocks, sizes, limits. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ServiceWorld, startServiceWorld } from '../testing/service-world.ts';

const mib = 1024 * 1024;
const python = '/usr/bin/python3';

describe('clients of volumes', () => {
  let world: ServiceWorld;
  beforeAll(async () => {
    world = await startServiceWorld();
  });
  afterAll(async () => {
    await world.close();
  });

  const make = (name: string, sizeBytes = 16 * mib) =>
    world.volumes.create({ name, project: 'p', sizeBytes });

  async function libnbd(script: string, ...args: string[]): Promise<string> {
    const file = join(world.folder, 'script.py');
    await writeFile(file, `import nbd, sys, errno\n${script}`);
    const { out, err, code } = await world.run(python, file, ...args);
    expect(err, out).toBe('');
    expect(code).toBe(0);
    return out.trim();
  }

  it('get in over TCP with the secret of an attachment only, until it ends', async () => {
    const mine = await make('mine');
    const other = await make('other');
    const { exportName } = await world.volumes.attach({ volume: mine.id, id: 'a1' });
    const size = (name: string) => world.run('nbdinfo', '--size', world.tcp(name));
    expect((await size(exportName)).out.trim()).toBe(String(16 * mib));
    expect((await world.volumes.credentials(mine.id, 'a1')).exportName).toBe(exportName);
    const [, , tag] = exportName.split('.');
    for (const name of [
      mine.id,
      `${other.id}.a1.${tag}`,
      `${mine.id}.a2.${tag}`,
      `${exportName}0`,
      '',
    ])
      expect((await size(name)).code, name).not.toBe(0);
    expect((await size(`${mine.id}@x`)).code).not.toBe(0);
    const list = await world.run('nbdinfo', '--list', world.tcp(''));
    expect(list.code).not.toBe(0);
    const local = await world.run('nbdinfo', '--list', world.unix(''));
    expect(local.out).toContain(mine.id);
    const waiting = libnbd(
      `h = nbd.NBD(); h.connect_uri(sys.argv[1])
print("in", flush=True)
import time
try:
    for _ in range(500):
        h.pread(512, 0); time.sleep(0.01)
    print("stayed")
except nbd.Error: print("cut")`,
      world.tcp(exportName),
    );
    while (world.nbd.connections === 0) await new Promise((resolve) => setTimeout(resolve, 20));
    await new Promise((resolve) => setTimeout(resolve, 300));
    await world.volumes.detach(mine.id, 'a1');
    expect(await waiting).toBe('in\ncut');
    expect((await size(exportName)).code).not.toBe(0);
  });

  it('an attachment is handed over: both get in, then the next alone, and who was in is cut', async () => {
    const { id } = await make('moved');
    const { exportName } = await world.volumes.attach({ volume: id, id: 'm' });
    const next = (await world.volumes.offerAttachment(id, 'm')).exportName;
    expect((await world.volumes.offerAttachment(id, 'm')).exportName).toBe(next);
    const code = async (name: string) =>
      (await world.run('nbdinfo', '--size', world.tcp(name))).code;
    expect([await code(exportName), await code(next)]).toEqual([0, 0]);
    const waiting = libnbd(
      `h = nbd.NBD(); h.connect_uri(sys.argv[1])
n = nbd.NBD(); n.connect_uri(sys.argv[2])
print("in", flush=True)
import time
try:
    for _ in range(500):
        h.pwrite(b"x" * 512, 0); time.sleep(0.01)
    print("stayed")
except nbd.Error: print("cut")
print(len(n.pread(512, 0)))`,
      world.tcp(exportName),
      world.tcp(next),
    );
    while (world.nbd.connections < 2) await new Promise((resolve) => setTimeout(resolve, 20));
    await new Promise((resolve) => setTimeout(resolve, 300));
    await world.volumes.settleAttachment(id, 'm', 'next');
    await world.volumes.settleAttachment(id, 'm', 'next');
    expect(await waiting).toBe('in\ncut\n512');
    expect(await code(exportName)).not.toBe(0);
    expect((await world.volumes.credentials(id, 'm')).exportName).toBe(next);
    // A handing over that is given up leaves things as they were.
    const third = (await world.volumes.offerAttachment(id, 'm')).exportName;
    await world.volumes.settleAttachment(id, 'm', 'present');
    expect([await code(next), await code(third)]).toEqual([0, 1]);
  });

  it('an attachment for reading only cannot write', async () => {
    const { id } = await make('readonly');
    const { exportName } = await world.volumes.attach({ volume: id, id: 'r', mode: 'ro' });
    const script = `
h = nbd.NBD(); h.set_strict_mode(0); h.connect_uri(sys.argv[1])
assert h.is_read_only()
for work in (lambda: h.pwrite(b"x" * 512, 0), lambda: h.zero(512, 0), lambda: h.trim(512, 0)):
    try: work(); print("wrote")
    except nbd.Error as e: assert e.errnum == errno.EPERM, e
h.flush()
print("ok")`;
    expect(await libnbd(script, world.tcp(exportName))).toBe('ok');
  });

  it('speak TLS with pre-shared keys and with certificates', async () => {
    const { id } = await make('tls');
    const other = await make('tls-other');
    const a = await world.volumes.attach({ volume: id, id: 'psk' });
    const pskFile = join(world.folder, 'keys.psk');
    await writeFile(pskFile, `${a.pskIdentity}:${a.pskKey}\n`);
    const script = `
def connect(name, tls):
    h = nbd.NBD(); h.set_tls(nbd.TLS_REQUIRE); h.set_export_name(name); tls(h)
    h.connect_tcp("127.0.0.1", sys.argv[1]); return h
def psk(h): h.set_tls_username(sys.argv[2]); h.set_tls_psk_file(sys.argv[3])
def x509(h): h.set_tls_certificates(sys.argv[4]); h.set_tls_verify_peer(True)
h = connect(sys.argv[5], psk)
assert h.get_tls_negotiated()
h.pwrite(b"secret!!" * 8192, 4096); h.flush()
h.shutdown()
h = connect("", psk); assert h.pread(65536, 4096) == b"secret!!" * 8192
try: connect(sys.argv[6], psk); print("opened another")
except nbd.Error: pass
h = connect(sys.argv[7], x509); assert h.get_tls_negotiated()
data = bytes(range(256)) * 32768
h.pwrite(data, 0); assert h.pread(len(data), 0) == data
try: connect(sys.argv[5], x509); print("opened without a secret")
except nbd.Error: pass
print("ok")`;
    const authority = join(world.folder, 'ca-cert.pem');
    await writeFile(authority, world.authority.certificate);
    const port = String(world.port);
    const args = [port, a.pskIdentity, pskFile, world.folder, id, other.id, a.exportName];
    expect(await libnbd(script, ...args)).toBe('ok');
    const qemu = await world.run(
      'qemu-img',
      'info',
      '--object',
      `tls-creds-psk,id=t0,dir=${world.folder},endpoint=client,username=${a.pskIdentity}`,
      '--image-opts',
      `driver=nbd,host=127.0.0.1,port=${port},export=${id},tls-creds=t0`,
    );
    expect(qemu.out, qemu.err).toContain('virtual size: 16 MiB');
    await writeFile(pskFile, `${a.pskIdentity}:${'00'.repeat(32)}\n`);
    const wrong = libnbd(
      `
h = nbd.NBD(); h.set_tls(nbd.TLS_REQUIRE); h.set_tls_username(sys.argv[2]); h.set_tls_psk_file(sys.argv[3])
try: h.connect_tcp("127.0.0.1", sys.argv[1]); print("in")
except nbd.Error: print("out")`,
      ...args,
    );
    expect(await wrong).toBe('out');
  });

  it('read snapshots, and see which blocks changed since', async () => {
    const { id } = await make('changing');
    const first = `
h = nbd.NBD(); h.connect_uri(sys.argv[1])
h.pwrite(b"1" * 1048576, 0); h.pwrite(b"1" * 1048576, 4 * 1048576); h.flush()`;
    await libnbd(first, world.unix(id));
    const snapshot = await world.volumes.snapshot(id, { name: 's' });
    const second = `
h = nbd.NBD(); h.connect_uri(sys.argv[1])
h.pwrite(b"2" * 65536, 524288); h.trim(65536, 4 * 1048576); h.pwrite(b"2" * 4096, 8 * 1048576); h.flush()
h.shutdown()
h = nbd.NBD(); h.add_meta_context("base:allocation"); h.add_meta_context(sys.argv[2]); h.connect_uri(sys.argv[1])
seen = {}
h.block_status(16 * 1048576, 0, lambda name, at, entries, error: seen.setdefault(name, entries) and 0)
at = 0
for length, flags in zip(seen[sys.argv[2]][::2], seen[sys.argv[2]][1::2]):
    if flags: print(at, length)
    at += length
assert at == 16 * 1048576 and len(seen["base:allocation"]) > 2`;
    const dirty = await libnbd(second, world.unix(id), `qemu:dirty-bitmap:${snapshot.id}`);
    expect(dirty.split('\n')).toEqual(['524288 65536', '4194304 65536', '8388608 4096']);
    const point = world.unix(`${id}@${snapshot.id}`);
    const back = `
h = nbd.NBD(); h.connect_uri(sys.argv[1])
assert h.is_read_only() and h.pread(1048576, 0) == b"1" * 1048576
assert h.pread(65536, 4 * 1048576) == b"1" * 65536 and h.pread(4096, 8 * 1048576) == bytes(4096)
print("ok")`;
    expect(await libnbd(back, point)).toBe('ok');
    await world.volumes.deleteSnapshot(id, snapshot.id);
    expect((await world.run('nbdinfo', '--size', point)).code).not.toBe(0);
  });

  it('read a volume as it was, within its retention', async () => {
    const wanted = { name: 'remembered', project: 'p', sizeBytes: 16 * mib, retentionS: 3600 };
    const { id } = await world.volumes.create(wanted);
    const write = `
h = nbd.NBD(); h.connect_uri(sys.argv[1])
h.pwrite(sys.argv[2].encode() * 65536, 0); h.flush(); h.shutdown()`;
    await libnbd(write, world.unix(id), '1');
    // Times are noted once in a while: this one lies behind the first write and before the second.
    await sleep(1500);
    const between = new Date().toISOString();
    await sleep(1500);
    await libnbd(write, world.unix(id), '2');
    const read = `
h = nbd.NBD(); h.connect_uri(sys.argv[1])
print(h.is_read_only(), h.get_size(), h.pread(65536, 0) == sys.argv[2].encode() * 65536)`;
    const size = 16 * mib;
    expect(await libnbd(read, world.unix(`${id}@${between}`), '1')).toBe(`True ${size} True`);
    expect(await libnbd(read, world.unix(id), '2')).toBe(`False ${size} True`);
    for (const wrong of ['1999-01-01T00:00:00Z', '2026-99-99T00:00:00Z', 'yesterday'])
      expect((await world.run('nbdinfo', world.unix(`${id}@${wrong}`))).code).not.toBe(0);
  });

  it('find the new size when they connect again, and may use it at once', async () => {
    const { id } = await make('growing');
    const script = `
h = nbd.NBD(); h.set_strict_mode(0); h.connect_uri(sys.argv[1])
try: h.pread(512, 16 * 1048576); print("beyond")
except nbd.Error: pass
print("ready", flush=True); sys.stdin.readline()
h.pwrite(b"z" * 512, 16 * 1048576); h.flush()
h.shutdown()
h = nbd.NBD(); h.connect_uri(sys.argv[1]); assert h.get_size() == 32 * 1048576
assert h.pread(1024, 16 * 1048576) == b"z" * 512 + bytes(512)
print("ok")`;
    const file = join(world.folder, 'grow.py');
    await writeFile(file, `import nbd, sys\n${script}`);
    const { spawn } = await import('node:child_process');
    const child = spawn(python, [file, world.unix(id)], { stdio: ['pipe', 'pipe', 'inherit'] });
    let printed = '';
    child.stdout.on('data', (text: Buffer) => {
      printed += text.toString();
    });
    while (!printed.includes('ready')) await new Promise((resolve) => setTimeout(resolve, 20));
    await expect(world.volumes.extend(id, 8 * mib)).rejects.toThrow('smaller');
    await world.volumes.extend(id, 32 * mib);
    child.stdin.end('\n');
    await new Promise((resolve) => child.on('close', resolve));
    expect(printed.trim()).toBe('ready\nok');
  });

  it('are held to the limits of a volume, from one request to the next', async () => {
    const { id } = await make('limited');
    const script = `
import time
h = nbd.NBD(); h.connect_uri(sys.argv[1])
def took(n):
    begun = time.time()
    for at in range(n): h.pread(4096, at * 4096)
    return time.time() - begun
print(took(100))`;
    const free = Number(await libnbd(script, world.unix(id)));
    await world.volumes.change(id, { qos: { readIops: 100, burstS: 0.1 } });
    const held = Number(await libnbd(script, world.unix(id)));
    expect(held).toBeGreaterThan(0.8);
    expect(free).toBeLessThan(held);
  });

  it('leave nothing readable in the store of an encrypted volume', async () => {
    const { id } = await world.volumes.create({
      name: 'sealed',
      project: 'p',
      sizeBytes: 16 * mib,
      encryption: { keyId: 'k', cipher: 'aes-256-xts' },
      durability: 'replicated',
    });
    const write = `
h = nbd.NBD(); h.connect_uri(sys.argv[1]); h.pwrite(b"plainly!" * 131072, 0); h.flush()`;
    await libnbd(write, world.unix(id));
    const snapshot = await world.volumes.snapshot(id, {});
    const clone = await world.volumes.create({
      name: 'sealed-clone',
      project: 'p',
      from: { volume: id, snapshot: snapshot.id },
    });
    const readable = [...world.store.contents.values()].some((blob) => blob.includes('plainly!'));
    expect(readable).toBe(false);
    const read = `
h = nbd.NBD(); h.connect_uri(sys.argv[1]); assert h.pread(1048576, 0) == b"plainly!" * 131072
h.pwrite(b"mine" * 128, 0); h.flush(); assert h.pread(512, 0) == b"mine" * 128; print("ok")`;
    expect(await libnbd(read, world.unix(clone.id))).toBe('ok');
  });
});
