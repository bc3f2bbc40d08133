/** What a guest prints on its serial line, as QEMU appends it to a file; the oldest is let go of. */
import * as fs from 'node:fs';

const earlier = (path: string) => `${path}.0`;

export function readConsole(path: string, bytesMax: number): Buffer {
  const now = tail(path, bytesMax);
  const before = tail(earlier(path), bytesMax - now.length);
  return Buffer.concat([before, now]);
}

function tail(path: string, bytesMax: number): Buffer {
  if (bytesMax <= 0 || !fs.existsSync(path)) return Buffer.alloc(0);
  const file = fs.openSync(path, 'r');
  try {
    const { size } = fs.fstatSync(file);
    const bytes = Buffer.alloc(Math.min(size, bytesMax));
    const read = fs.readSync(file, bytes, 0, bytes.length, size - bytes.length);
    return bytes.subarray(0, read);
  } finally {
    fs.closeSync(file);
  }
}

/** QEMU appends, so a file that is cut to nothing goes on from there. */
export function trimConsole(path: string, bytesMax: number): void {
  if (!fs.existsSync(path) || fs.statSync(path).size < bytesMax / 2) return;
  fs.copyFileSync(path, earlier(path));
  fs.truncateSync(path, 0);
}
