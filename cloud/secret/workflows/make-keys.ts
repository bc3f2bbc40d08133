/** Making keys: random bytes for symmetric ones, pairs by OpenSSL off the main thread. */
import { generateKeyPair } from 'node:crypto';
import { promisify } from 'node:util';
import type { Random } from '#common';

const symmetric = ['aes', 'des', '3des', 'hmacsha1', 'hmacsha256', 'hmacsha384', 'hmacsha512'];
const symmetricBits = [64, 128, 192, 256];
const asymmetricBits = [1024, 2048, 4096];

/** XTS takes two keys, so twice as many bits. */
export function fitsSymmetric(algorithm: string, bits: number, mode: string | undefined): boolean {
  const keys = mode?.toLowerCase() === 'xts' ? 2 : 1;
  return symmetric.includes(algorithm.toLowerCase()) && symmetricBits.includes(bits / keys);
}

export function fitsAsymmetric(algorithm: string, bits: number): boolean {
  return ['rsa', 'dsa'].includes(algorithm.toLowerCase()) && asymmetricBits.includes(bits);
}

export const makeSymmetric = (random: Random, bits: number): Buffer => random.bytes(bits / 8);

const makePair = promisify(generateKeyPair);

/** PEM for RSA, DER for DSA, as upstream's own plug-in writes them. */
export async function makeAsymmetric(
  algorithm: string,
  bits: number,
): Promise<{ readonly privateKey: Buffer; readonly publicKey: Buffer }> {
  if (algorithm.toLowerCase() === 'rsa') {
    const pair = await makePair('rsa', {
      modulusLength: bits,
      publicKeyEncoding: { type: 'spki', format: 'pem' },
      privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    });
    return { privateKey: Buffer.from(pair.privateKey), publicKey: Buffer.from(pair.publicKey) };
  }
  const divisorLength = bits === 1024 ? 160 : 256;
  return await makePair('dsa', {
    modulusLength: bits,
    divisorLength,
    publicKeyEncoding: { type: 'spki', format: 'der' },
    privateKeyEncoding: { type: 'pkcs8', format: 'der' },
  });
}
