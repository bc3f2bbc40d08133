/**
 * The cluster's certificate authority and the certificates it issues: ECDSA on P-256, as PEM. Made at first start and kept
 * by the caller; this room stores nothing.
 */
import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';
import { type Clock, type Random, randomHex } from '#common';
import { nodeServerName } from './tls.ts';

/** A certificate and its private key (PKCS #8), PEM. */
export interface CertificateAndKey {
  readonly certificate: string;
  readonly key: string;
}

export interface AuthorityParts {
  /** Names the cluster in the authority's subject. */
  readonly cluster: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly validDays?: number;
}

export interface IssueParts {
  readonly authority: CertificateAndKey;
  /** Whom the certificate names. */
  readonly name: string;
  /** Host names and IP addresses of a public listener; the name all nodes share is always there. */
  readonly hosts?: readonly string[];
  readonly clock: Clock;
  readonly random: Random;
  readonly validDays?: number;
}

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const authorityDays = 3650;
const certificateDays = 825;
const dayUs = 86_400_000_000;

export async function createAuthority(parts: AuthorityParts): Promise<CertificateAndKey> {
  const keys = await makeKeys();
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serialNumber(parts.random),
    name: [{ O: ['Pileus'] }, { CN: [`cluster ${parts.cluster}`] }],
    ...validity(parts.clock, parts.validDays ?? authorityDays),
    signingAlgorithm: algorithm,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(
        x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign,
        true,
      ),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { certificate: certificate.toString('pem'), key: await pemOf(keys.privateKey) };
}

/** A certificate that serves and calls, signed by the authority. */
export async function issueCertificate(parts: IssueParts): Promise<CertificateAndKey> {
  const authority = new x509.X509Certificate(parts.authority.certificate);
  const keys = await makeKeys();
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: serialNumber(parts.random),
    subject: [{ O: ['Pileus'] }, { CN: [parts.name] }],
    issuer: authority.subject,
    ...validity(parts.clock, parts.validDays ?? certificateDays),
    signingAlgorithm: algorithm,
    publicKey: keys.publicKey,
    signingKey: await keyOf(parts.authority.key),
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([
        x509.ExtendedKeyUsage.serverAuth,
        x509.ExtendedKeyUsage.clientAuth,
      ]),
      new x509.SubjectAlternativeNameExtension(
        [nodeServerName, ...(parts.hosts ?? [])].map((host) => ({
          type: isAddress(host) ? 'ip' : 'dns',
          value: host,
        })),
      ),
      await x509.AuthorityKeyIdentifierExtension.create(authority.publicKey),
    ],
  });
  return { certificate: certificate.toString('pem'), key: await pemOf(keys.privateKey) };
}

function makeKeys() {
  return webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
}

async function pemOf(key: webcrypto.CryptoKey): Promise<string> {
  const raw = await webcrypto.subtle.exportKey('pkcs8', key);
  return `${x509.PemConverter.encode(raw, x509.PemConverter.PrivateKeyTag)}\n`;
}

function keyOf(pem: string): Promise<webcrypto.CryptoKey> {
  const raw = x509.PemConverter.decodeFirst(pem);
  return webcrypto.subtle.importKey('pkcs8', raw, algorithm, false, ['sign']);
}

/** 127 random bits: positive in DER whatever they are. */
function serialNumber(random: Random): string {
  return `0${randomHex(random, 16).slice(1)}`;
}

function validity(clock: Clock, days: number): { notBefore: Date; notAfter: Date } {
  const nowUs = clock.nowUs();
  // An hour of grace for nodes whose clocks are behind.
  const notBefore = new Date(nowUs / 1000 - 3_600_000);
  return { notBefore, notAfter: new Date((nowUs + days * dayUs) / 1000) };
}

function isAddress(host: string): boolean {
  return /^[0-9.]+$/.test(host) || host.includes(':');
}
