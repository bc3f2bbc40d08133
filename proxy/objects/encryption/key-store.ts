/**
 * Master keys by name, in versions: each a row whose key is sealed under the cluster's own secret, which lies in no table. New bodies use the
 * newest version; a body's key says by which it was sealed, so that older ones open for as long as their rows are there.
 */
import { Buffer } from 'node:buffer';
import { createCipheriv, createDecipheriv, hkdfSync } from 'node:crypto';
import type { RowRef, RowValue, StoredRow, Tables } from '#cluster';
import type { Clock, Random } from '#common';
import { objectFailure } from '../failures.ts';
import { encodeJsonRow, JsonRow } from '../rows/json-row.ts';

const table = 'object-key';
export const defaultKeyName = 'default';
const nameForm = /^[\w./:@=+-]{1,256}$/;
const versionDigits = 5;

export interface MasterKey {
  readonly name: string;
  readonly version: number;
  readonly createdUs: number;
}

interface OpenKey extends MasterKey {
  readonly key: Buffer;
}

export interface KeyStoreOptions {
  readonly tables: Tables;
  readonly clock: Clock;
  readonly random: Random;
  /** The cluster's secret that seals the keys. */
  readonly secret: Buffer;
}

const knownMax = 1_000;

export class KeyStore {
  private readonly options: KeyStoreOptions;
  private readonly root: Buffer;
  private readonly known = new Map<string, OpenKey>();
  /** The newest version of each name, believed for as long as other processes may take to hear of a rotation. */
  private readonly newest = new Map<string, { readonly key: OpenKey; readonly untilMs: number }>();

  constructor(options: KeyStoreOptions) {
    this.options = options;
    this.root = Buffer.from(hkdfSync('sha256', options.secret, '', 'pileus object keys', 32));
  }

  /** All versions of all names are few: they are listed whole. */
  async list(name: string): Promise<readonly MasterKey[]> {
    const page = await this.options.tables.list({ table, partition: name, limit: 10_000 });
    return page.entries.flatMap(({ row }) =>
      row === undefined
        ? []
        : [
            {
              name,
              version: Number(row.sort),
              createdUs: new JsonRow('k', row.meta).number('createdUs'),
            },
          ],
    );
  }

  /** Makes a new version of a key, the first one too. */
  async rotate(name: string): Promise<MasterKey> {
    checkName(name);
    const versions = await this.list(name);
    const version = (versions.at(-1)?.version ?? 0) + 1;
    this.newest.delete(name);
    const { key: _, ...made } = await this.ensure(name, version);
    return made;
  }

  /** A key for one body: in the clear, and sealed under the newest version of the named master key. */
  async makeKey(name: string): Promise<{ readonly key: Buffer; readonly sealed: string }> {
    const master = await this.newestOf(name);
    const key = this.options.random.bytes(32);
    const sealed = seal(master.key, key, this.options.random);
    return { key, sealed: `${master.version}.${sealed}` };
  }

  async openKey(name: string, sealed: string): Promise<Buffer> {
    const cut = sealed.indexOf('.');
    const master = await this.versionOf(name, Number(sealed.slice(0, cut)));
    return unseal(master.key, sealed.slice(cut + 1));
  }

  /** The same for a master key that was opened before, without waiting for anything. */
  openAtHand(name: string, sealed: string): Buffer | undefined {
    const cut = sealed.indexOf('.');
    const master = this.known.get(`${Number(sealed.slice(0, cut))} ${name}`);
    return master === undefined ? undefined : unseal(master.key, sealed.slice(cut + 1));
  }

  private async newestOf(name: string): Promise<OpenKey> {
    checkName(name);
    const nowMs = this.options.clock.monotonicMs();
    const known = this.newest.get(name);
    if (known !== undefined && known.untilMs > nowMs) return known.key;
    const version = (await this.list(name)).at(-1)?.version;
    const key = await this.ensure(name, version ?? 1);
    if (this.newest.size >= knownMax) this.newest.clear();
    this.newest.set(name, { key, untilMs: nowMs + 10_000 });
    return key;
  }

  private async versionOf(name: string, version: number): Promise<OpenKey> {
    const known = this.known.get(`${version} ${name}`);
    if (known !== undefined) return known;
    const row = await this.options.tables.get(refOf(name, version));
    if (row === undefined)
      throw objectFailure('encryption-key-missing', 'The master key of an object is gone', {
        facts: { name, version },
      });
    return this.remember(this.decode(name, row));
  }

  /** The version, made if it is not there: two who make it at once get the same one. */
  private async ensure(name: string, version: number): Promise<OpenKey> {
    const fresh = this.options.random.bytes(32);
    const sealed = seal(this.root, fresh, this.options.random);
    const meta = encodeJsonRow('k', { createdUs: this.options.clock.nowUs(), sealed });
    const value: RowValue = { meta, bytes: 0, body: Buffer.alloc(0) };
    await this.options.tables.update(refOf(name, version), (present) =>
      present === undefined ? value : 'keep',
    );
    return await this.versionOf(name, version);
  }

  private decode(name: string, row: StoredRow): OpenKey {
    const values = new JsonRow('k', row.meta);
    const key = unseal(this.root, values.text('sealed'));
    return { name, version: Number(row.sort), createdUs: values.number('createdUs'), key };
  }

  private remember(key: OpenKey): OpenKey {
    if (this.known.size >= knownMax) this.known.clear();
    this.known.set(`${key.version} ${key.name}`, key);
    return key;
  }
}

function checkName(name: string): void {
  if (!nameForm.test(name))
    throw objectFailure('encryption-key-missing', 'This cannot be the name of a key', {
      facts: { length: name.length },
    });
}

function refOf(name: string, version: number): RowRef {
  return { table, partition: name, sort: String(version).padStart(versionDigits, '0') };
}

const nonceBytes = 12;
const tagBytes = 16;

function seal(under: Buffer, secret: Buffer, random: Random): string {
  const nonce = random.bytes(nonceBytes);
  const cipher = createCipheriv('aes-256-gcm', under, nonce);
  const sealed = Buffer.concat([cipher.update(secret), cipher.final()]);
  return Buffer.concat([nonce, cipher.getAuthTag(), sealed]).toString('base64url');
}

function unseal(under: Buffer, text: string): Buffer {
  const raw = Buffer.from(text, 'base64url');
  const decipher = createDecipheriv('aes-256-gcm', under, raw.subarray(0, nonceBytes));
  decipher.setAuthTag(raw.subarray(nonceBytes, nonceBytes + tagBytes));
  try {
    return Buffer.concat([decipher.update(raw.subarray(nonceBytes + tagBytes)), decipher.final()]);
  } catch (cause) {
    throw objectFailure('encryption-key-missing', 'A sealed key does not open', { cause });
  }
}
