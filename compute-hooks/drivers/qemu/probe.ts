/**
 * Whether KVM really works. That `/dev/kvm` is there and opens proves nothing: some machines let guests hang or die at their first
 * instructions. So one is started: a boot sector whose only work is to end QEMU with a code that nothing else ends it with.
 */
import { spawn } from 'node:child_process';
import * as fs from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '#common';
import type { Accelerator } from './arguments.ts';

const probeMs = 3_000;
/** What the sector writes to the exit device; QEMU ends with twice that and one. */
const answer = 0x2a;

function bootSector(): Buffer {
  const sector = Buffer.alloc(512);
  // mov al, answer; mov dx, 0xf4; out dx, al; hlt
  Buffer.from([0xb0, answer, 0xba, 0xf4, 0x00, 0xee, 0xf4]).copy(sector);
  sector.writeUInt16LE(0xaa55, 510);
  return sector;
}

/** Tried once per boot of the machine; the answer is kept in `folder`. */
export async function findAccelerator(
  program: string,
  folder: string,
  clock: Clock,
): Promise<Accelerator> {
  if (!fs.existsSync('/dev/kvm')) return 'tcg';
  const kept = join(folder, 'accelerator.json');
  const boot = bootId();
  try {
    const known = JSON.parse(fs.readFileSync(kept, 'utf8')) as { boot?: string; works?: string };
    if (known.boot === boot && (known.works === 'kvm' || known.works === 'tcg')) return known.works;
  } catch {
    // Never tried here, or not readable: it is tried now.
  }
  const works = (await boots(program, folder, clock)) ? 'kvm' : 'tcg';
  fs.writeFileSync(kept, JSON.stringify({ boot, works }));
  return works;
}

function bootId(): string {
  const path = '/proc/sys/kernel/random/boot_id';
  return fs.existsSync(path) ? fs.readFileSync(path, 'utf8').trim() : '';
}

async function boots(program: string, folder: string, clock: Clock): Promise<boolean> {
  const image = join(folder, 'probe.img');
  fs.writeFileSync(image, bootSector());
  const child = spawn(
    program,
    [
      ...['-machine', 'pc,accel=kvm', '-m', '16M', '-nodefaults', '-display', 'none'],
      ...['-device', 'isa-debug-exit,iobase=0xf4,iosize=0x04'],
      ...['-drive', `file=${image},format=raw,if=ide`],
    ],
    { stdio: 'ignore' },
  );
  const deadline = clock.after(probeMs, () => child.kill('SIGKILL'));
  const code = await new Promise<number | null>((resolve) => {
    child.once('exit', resolve);
    child.once('error', () => resolve(null));
  });
  deadline.cancel();
  fs.rmSync(image, { force: true });
  return code === answer * 2 + 1;
}
