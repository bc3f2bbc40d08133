import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { systemRandom } from '#common';
import { Proof } from './proof.ts';

const golden: Record<'secret' | 'serverHello' | 'clientHello' | 'serverProof', string> = JSON.parse(
  readFileSync(join(import.meta.dirname, '../golden/socket-greeting.json'), 'utf8'),
);

interface End {
  readonly proof: Proof;
  readonly sent: Buffer[];
}

function endOf(side: 'client' | 'server', secret = Buffer.from(golden.secret, 'hex')): End {
  const sent: Buffer[] = [];
  const nonce = Buffer.alloc(32, side === 'client' ? 0xc1 : 0x5e);
  const proof = new Proof({ side, secret, nonce, send: (bytes) => sent.push(bytes) });
  proof.start();
  return { proof, sent };
}

const sentBy = ({ sent }: End) => sent.map((bytes) => bytes.toString('hex'));

describe('the greeting of a socket', () => {
  it('has the bytes it always had, and keeps what follows', () => {
    const server = endOf('server');
    const client = endOf('client');
    expect(sentBy(server)).toEqual([golden.serverHello]);
    expect(client.proof.push(Buffer.from(golden.serverHello, 'hex'))).toBeUndefined();
    expect(sentBy(client)).toEqual([golden.clientHello]);
    const hello = Buffer.from(golden.clientHello, 'hex');
    // One byte at a time, and the first bytes of a message at the end.
    for (const byte of hello.subarray(0, -1))
      expect(server.proof.push(Buffer.of(byte))).toBeUndefined();
    const rest = server.proof.push(Buffer.concat([hello.subarray(-1), Buffer.from('next')]));
    expect(rest?.toString()).toBe('next');
    expect(sentBy(server)).toEqual([golden.serverHello, golden.serverProof]);
    expect(client.proof.push(Buffer.from(golden.serverProof, 'hex'))?.length).toBe(0);
  });

  it('fails for who does not know the secret, on either side', () => {
    const server = endOf('server');
    const stranger = endOf('client', Buffer.alloc(32, 9));
    stranger.proof.push(Buffer.from(golden.serverHello, 'hex'));
    expect(() => server.proof.push(stranger.sent[0] ?? Buffer.alloc(0))).toThrow('the secret');
    const client = endOf('client');
    client.proof.push(Buffer.from(golden.serverHello, 'hex'));
    expect(() => client.proof.push(systemRandom.bytes(32))).toThrow('the secret');
  });

  it('cannot be answered with what was heard before', () => {
    const server = endOf('server');
    // An old hello was made for another nonce of the server's.
    const old = Buffer.from(golden.clientHello, 'hex');
    old[old.length - 1] = (old.at(-1) ?? 0) ^ 1;
    expect(() => server.proof.push(old)).toThrow('the secret');
  });

  it('names a strange protocol and another version', () => {
    const http = Buffer.from('GET / HTTP/1.1\r\n'.repeat(10));
    expect(() => endOf('server').proof.push(http)).toThrow('does not speak');
    const newer = Buffer.from(golden.serverHello, 'hex');
    newer[7] = 2;
    expect(() => endOf('client').proof.push(newer)).toThrow('another version');
  });
});
