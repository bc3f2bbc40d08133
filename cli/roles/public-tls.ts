/** The certificate of the public listeners, from the cluster's own authority: made when it is first wanted, renewed in time. */
import { X509Certificate } from 'node:crypto';
import * as fs from 'node:fs';
import { hostname } from 'node:os';
import { systemClock } from '#common';
import { type CertificateAndKey, createAuthority, issueCertificate } from '#wire';
import { type DataFolder, writePrivate } from '../data-folder.ts';
import type { Place } from '../start-check.ts';
import type { RoleContext } from './context.ts';

export interface PublicTls extends CertificateAndKey {
  /** What clients must trust. */
  readonly authority: string;
}

/** A certificate with less than this ahead of it is made anew at the next start. */
const renewDays = 60;

export async function publicTls(
  folder: DataFolder,
  place: Place,
  context: RoleContext,
): Promise<PublicTls> {
  fs.mkdirSync(folder.path('secrets'), { recursive: true, mode: 0o700 });
  const parts = { clock: systemClock, random: context.random };
  const authority = await ensurePair(folder, 'authority', () =>
    createAuthority({ cluster: context.clusterId, ...parts }),
  );
  const hosts = [...new Set([place.host, '127.0.0.1', '::1', 'localhost', hostname()])];
  const known = findPair(folder, 'public');
  if (known !== undefined && serves(known, authority, place))
    return { ...known, authority: authority.certificate };
  const issued = await issueCertificate({ authority, name: 'pileus', hosts, ...parts });
  writePair(folder, 'public', issued);
  return { ...issued, authority: authority.certificate };
}

/** Puts what clients must trust where people find it; returns its path. */
export function writeAuthority(folder: DataFolder, tls: PublicTls): string {
  const path = folder.path('ca.pem');
  if (!fs.existsSync(path) || fs.readFileSync(path, 'utf8') !== tls.authority)
    writePrivate(path, tls.authority);
  return path;
}

function serves(pair: CertificateAndKey, authority: CertificateAndKey, place: Place): boolean {
  const certificate = new X509Certificate(pair.certificate);
  const leftMs = certificate.validToDate.getTime() - systemClock.nowUs() / 1000;
  const names = /^[0-9.]+$|:/.test(place.host)
    ? certificate.checkIP(place.host)
    : certificate.checkHost(place.host);
  return (
    leftMs > renewDays * 86_400_000 &&
    names !== undefined &&
    certificate.checkIssued(new X509Certificate(authority.certificate))
  );
}

async function ensurePair(
  folder: DataFolder,
  name: string,
  make: () => Promise<CertificateAndKey>,
): Promise<CertificateAndKey> {
  const known = findPair(folder, name);
  if (known !== undefined) return known;
  const made = await make();
  writePair(folder, name, made);
  return made;
}

function findPair(folder: DataFolder, name: string): CertificateAndKey | undefined {
  const [certificate, key] = [`${name}.pem`, `${name}.key`].map((file) =>
    folder.path('secrets', file),
  );
  if (certificate === undefined || key === undefined) return undefined;
  if (!fs.existsSync(certificate) || !fs.existsSync(key)) return undefined;
  return { certificate: fs.readFileSync(certificate, 'utf8'), key: fs.readFileSync(key, 'utf8') };
}

/** The key first: a certificate without its key would be of no use. */
function writePair(folder: DataFolder, name: string, pair: CertificateAndKey): void {
  writePrivate(folder.path('secrets', `${name}.key`), pair.key);
  writePrivate(folder.path('secrets', `${name}.pem`), pair.certificate);
}
