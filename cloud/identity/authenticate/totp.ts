/** Time-based one-time passcodes (RFC 6238: HMAC-SHA-1, six digits, 30 s) of secrets kept as credentials of type `totp`. */
import { createHmac } from 'node:crypto';

const periodS = 30;
const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

/** Base32 (RFC 4648) without regard to padding and case; nothing when it is none. */
export function decodeBase32(text: string): Buffer | undefined {
  let bits = 0;
  let held = 0;
  const bytes: number[] = [];
  for (const letter of text.trim().toUpperCase().replace(/=+$/, '')) {
    const value = alphabet.indexOf(letter);
    if (value < 0) return undefined;
    held = (held << 5) | value;
    bits += 5;
    if (bits < 8) continue;
    bits -= 8;
    bytes.push((held >> bits) & 0xff);
    held &= (1 << bits) - 1;
  }
  return bytes.length === 0 ? undefined : Buffer.from(bytes);
}

/** The passcode of one window; RFC 4226 tells how six digits are cut from a hash. */
export function passcodeAt(secret: Buffer, window: number): string {
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(window));
  const hash = createHmac('sha1', secret).update(counter).digest();
  const offset = hash.readUInt8(hash.length - 1) & 0x0f;
  const number = (hash.readUInt32BE(offset) & 0x7fff_ffff) % 1_000_000;
  return String(number).padStart(6, '0');
}

/** The passcodes that hold now: of this window and of so many before it. */
export function passcodesNow(secret: Buffer, nowUs: number, before: number): string[] {
  const window = Math.floor(nowUs / 1e6 / periodS);
  return Array.from({ length: before + 1 }, (_, back) => passcodeAt(secret, window - back));
}
