/**
 * Password hashes: scrypt in the PHC string format, `$scrypt$ln=15,r=8,p=1$SALT$HASH` (base64 without padding).
 * Parameters travel with each hash, so raising the cost keeps old ones valid. Hashing runs on libuv's threads,
 * a bounded number at once: each takes 128·N·r bytes.
 */
import { scrypt, timingSafeEqual } from 'node:crypto';
import { Failure, Gate, type Random } from '#common';

export interface PasswordSettings {
  readonly passwordCostLog2: number;
  readonly passwordsInFlightMax: number;
  readonly passwordsWaitingMax: number;
}

interface Parameters {
  readonly costLog2: number;
  readonly blockSize: number;
  readonly parallel: number;
}

const saltBytes = 16;
const hashBytes = 32;
// Longer ones are refused rather than cut: two passwords must not be the same one.
export const passwordBytesMax = 1024;

export class Passwords {
  private readonly gate: Gate;
  private readonly random: Random;
  private readonly parameters: Parameters;
  /** Random bytes in the form of a hash: verified against when there is no user, so that it takes as long. */
  private readonly decoy: string;

  constructor(settings: PasswordSettings, random: Random) {
    this.random = random;
    this.parameters = { costLog2: settings.passwordCostLog2, blockSize: 8, parallel: 1 };
    this.decoy = render(this.parameters, random.bytes(saltBytes), random.bytes(hashBytes));
    this.gate = new Gate({
      name: 'passwords',
      inFlightMax: settings.passwordsInFlightMax,
      waitingMax: settings.passwordsWaitingMax,
    });
  }

  async hash(password: string): Promise<string> {
    if (Buffer.byteLength(password) > passwordBytesMax) {
      throw new Failure('invalid', 'password-too-long', 'The password is too long', {
        facts: { bytesMax: passwordBytesMax },
      });
    }
    const salt = this.random.bytes(saltBytes);
    const hash = await this.derive(password, salt, this.parameters);
    return render(this.parameters, salt, hash);
  }

  /** Takes as long without a hash as with a wrong one. */
  async verify(password: string, stored: string | undefined): Promise<boolean> {
    const { parameters, salt, hash } = parse(stored ?? this.decoy);
    const usable = Buffer.byteLength(password) <= passwordBytesMax;
    const derived = await this.derive(usable ? password : '', salt, parameters);
    return timingSafeEqual(derived, hash) && usable && stored !== undefined;
  }

  /** Whether a hash was made with other parameters than the present ones. */
  isDated(stored: string): boolean {
    return parse(stored).parameters.costLog2 !== this.parameters.costLog2;
  }

  private derive(password: string, salt: Uint8Array, parameters: Parameters): Promise<Buffer> {
    const cost = 2 ** parameters.costLog2;
    const options = {
      N: cost,
      r: parameters.blockSize,
      p: parameters.parallel,
      maxmem: 2 * 128 * cost * parameters.blockSize,
    };
    return this.gate.within(
      () =>
        new Promise((resolve, reject) => {
          scrypt(password, salt, hashBytes, options, (error, key) => {
            if (error === null) resolve(key);
            else reject(new Failure('bug', 'scrypt-failed', 'Hashing failed', { cause: error }));
          });
        }),
    );
  }
}

function render(parameters: Parameters, salt: Buffer, hash: Buffer): string {
  const { costLog2, blockSize, parallel } = parameters;
  return `$scrypt$ln=${costLog2},r=${blockSize},p=${parallel}$${base64(salt)}$${base64(hash)}`;
}

const base64 = (bytes: Buffer) => bytes.toString('base64').replace(/=+$/, '');
const pattern =
  /^\$scrypt\$ln=(\d{1,2}),r=(\d{1,2}),p=(\d{1,2})\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$/;

function parse(stored: string) {
  const [, costLog2, blockSize, parallel, salt = '', hash = ''] = pattern.exec(stored) ?? [];
  const bytes = Buffer.from(hash, 'base64');
  if (bytes.length !== hashBytes)
    throw new Failure('corrupt', 'password-hash-damaged', 'A stored password hash is damaged');
  const parameters = {
    costLog2: Number(costLog2),
    blockSize: Number(blockSize),
    parallel: Number(parallel),
  };
  return { parameters, salt: Buffer.from(salt, 'base64'), hash: bytes };
}
