/** Percent-encoding as signature version 4 has it: every byte but the unreserved characters of RFC 3986 §2.3. */

const unreserved = /[A-Za-z0-9\-._~]/;
const encodedByte: readonly string[] = Array.from({ length: 256 }, (_, byte) => {
  const character = String.fromCharCode(byte);
  return unreserved.test(character)
    ? character
    : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
});

const canonicalPath = /^[A-Za-z0-9\-._~/]*$/;
const canonicalWord = /^[A-Za-z0-9\-._~]*$/;

/** Decodes what the client encoded and encodes it anew, so that `%7e`, `~` and `%7E` agree. A `/` stays, and so does `%2F` become one. */
export function canonicalizePath(rawPath: string): string {
  return canonicalPath.test(rawPath) ? rawPath : recode(rawPath, { slash: '/', plus: '%2B' });
}

/** The same for a query's name or value, where `+` means a space and `/` is encoded. */
export function canonicalizeQueryWord(rawWord: string): string {
  return canonicalWord.test(rawWord) ? rawWord : recode(rawWord, { slash: '%2F', plus: '%20' });
}

/** Encodes a string's UTF-8 bytes; with `keepSlash`, `/` stays. */
export function uriEncode(text: string, keepSlash: boolean): string {
  const raw = Buffer.from(text, 'utf8').toString('latin1');
  let out = '';
  for (let at = 0; at < raw.length; at++) {
    const byte = raw.charCodeAt(at);
    out += keepSlash && byte === 0x2f ? '/' : (encodedByte[byte] ?? '');
  }
  return out;
}

function recode(raw: string, special: { readonly slash: string; readonly plus: string }): string {
  let out = '';
  for (let at = 0; at < raw.length; at++) {
    let byte = raw.charCodeAt(at) & 0xff;
    if (byte === 0x2b) {
      out += special.plus;
      continue;
    }
    if (byte === 0x25) {
      const value = hexPairAt(raw, at + 1);
      if (value >= 0) {
        byte = value;
        at += 2;
      }
    }
    out += byte === 0x2f ? special.slash : (encodedByte[byte] ?? '');
  }
  return out;
}

/** The value of two hex digits, or -1. */
function hexPairAt(text: string, at: number): number {
  const high = hexDigit(text.charCodeAt(at));
  const low = hexDigit(text.charCodeAt(at + 1));
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

function hexDigit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  if (code >= 0x41 && code <= 0x46) return code - 0x37;
  if (code >= 0x61 && code <= 0x66) return code - 0x57;
  return -1;
}
