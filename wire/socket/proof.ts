/**
 * How the two ends of a socket begin: which protocol they speak, and a proof that both know the same secret, so that who
 * happens upon a unix socket can neither use it nor stand in for it. Over TLS certificates prove more already, and
 * the secret is one that everybody knows.
 *
 *   1. server → client   magic and version (8 bytes), its nonce (32)
 *   2. client → server   magic and version (8), its nonce (32), HMAC-SHA-256 (32) of "client", the server's nonce, its nonce
 *   3. server → client   HMAC-SHA-256 (32) of "server", the client's nonce, its nonce
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { Failure } from '#common';

export const magic = Buffer.from('PILWIRE\x01', 'latin1');
const nonceBytes = 32;
const proofBytes = 32;
const helloBytes = magic.length + nonceBytes;

export interface ProofParts {
  readonly side: 'client' | 'server';
  readonly secret: Buffer;
  /** 32 random bytes. */
  readonly nonce: Buffer;
  readonly send: (bytes: Buffer) => void;
}

export class Proof {
  private readonly parts: ProofParts;
  private collected = Buffer.alloc(0);
  private peerNonce: Buffer | undefined;

  constructor(parts: ProofParts) {
    this.parts = parts;
  }

  start(): void {
    if (this.parts.side === 'server') this.parts.send(Buffer.concat([magic, this.parts.nonce]));
  }

  /** Undefined while more is needed; then the bytes that follow the proof. Throws when the other end cannot prove itself. */
  push(bytes: Buffer): Buffer | undefined {
    this.collected = Buffer.concat([this.collected, bytes]);
    if (this.parts.side === 'client' && this.peerNonce === undefined) this.answerServer();
    const wanted = this.wantedBytes();
    if (this.collected.length < wanted) return undefined;
    if (this.parts.side === 'server') this.readHello();
    this.check(this.collected.subarray(wanted - proofBytes, wanted));
    if (this.parts.side === 'server') this.parts.send(this.prove('server'));
    return this.collected.subarray(wanted);
  }

  private wantedBytes(): number {
    const { side } = this.parts;
    if (side === 'server') return helloBytes + proofBytes;
    return this.peerNonce === undefined ? Number.POSITIVE_INFINITY : proofBytes;
  }

  private answerServer(): void {
    if (this.collected.length < helloBytes) return;
    this.readHello();
    this.collected = this.collected.subarray(helloBytes);
    this.parts.send(Buffer.concat([magic, this.parts.nonce, this.prove('client')]));
  }

  private readHello(): void {
    const { collected } = this;
    if (!collected.subarray(0, magic.length - 1).equals(magic.subarray(0, -1)))
      throw new Failure('invalid', 'bad-message', 'The other end does not speak this protocol');
    const version = collected[magic.length - 1];
    if (version !== magic.at(-1))
      throw new Failure('invalid', 'other-version', 'The other end speaks another version', {
        facts: { version, ours: magic.at(-1) },
      });
    this.peerNonce = Buffer.from(collected.subarray(magic.length, helloBytes));
  }

  private check(proof: Buffer): void {
    const expected = this.prove(this.parts.side === 'server' ? 'client' : 'server');
    if (timingSafeEqual(expected, proof)) return;
    throw new Failure('denied', 'bad-proof', 'The other end does not know the secret');
  }

  /** What `prover` must show: it knows the secret, and has seen the other's nonce. */
  private prove(prover: 'client' | 'server'): Buffer {
    const { side, nonce, secret } = this.parts;
    const peer = this.peerNonce ?? Buffer.alloc(0);
    const [other, own] = prover === side ? [peer, nonce] : [nonce, peer];
    return createHmac('sha256', secret).update(prover).update(other).update(own).digest();
  }
}
