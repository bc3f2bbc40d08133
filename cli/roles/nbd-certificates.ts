/** The certificate of the NBD server, signed by the cluster's authority; both are made at first start and kept in `secrets`. */
import { X509Certificate } from 'node:crypto';
import * as fs from 'node:fs';
import type { NbdCertificates } from '#block-gateway';
import { type Random, systemClock } from '#common';
import { type CertificateAndKey, createAuthority, issueCertificate } from '#wire';
import { type DataFolder, writePrivate } from '../data-folder.ts';

/** A certificate that ends sooner is replaced. */
const renewBeforeMs = 30 * 86_400_000;

export async function nbdCertificates(
  folder: DataFolder,
  random: Random,
  cluster: string,
): Promise<NbdCertificates> {
  const shared = { clock: systemClock, random };
  fs.mkdirSync(folder.path('secrets'), { recursive: true, mode: 0o700 });
  const authority = await authorityOf(folder, random, cluster);
  const hosts = ['localhost', '127.0.0.1', '::1'];
  const server = await kept(folder, 'nbd', () =>
    issueCertificate({ authority, name: 'nbd', hosts, ...shared }),
  );
  return { ...server, authority: authority.certificate };
}

/** The cluster's own authority, made when it is first wanted. */
export function authorityOf(
  folder: DataFolder,
  random: Random,
  cluster: string,
): Promise<CertificateAndKey> {
  return kept(folder, 'authority', () => createAuthority({ cluster, clock: systemClock, random }));
}

async function kept(
  folder: DataFolder,
  name: string,
  make: () => Promise<CertificateAndKey>,
): Promise<CertificateAndKey> {
  const paths = [folder.path('secrets', `${name}.pem`), folder.path('secrets', `${name}.key`)];
  const [certificatePath = '', keyPath = ''] = paths;
  if (paths.every((path) => fs.existsSync(path))) {
    const certificate = fs.readFileSync(certificatePath, 'utf8');
    const endsMs = Date.parse(new X509Certificate(certificate).validTo);
    const isFresh = endsMs - systemClock.nowUs() / 1000 > renewBeforeMs;
    if (isFresh) return { certificate, key: fs.readFileSync(keyPath, 'utf8') };
  }
  const made = await make();
  // The key first: a certificate without one would be believed to be whole.
  writePrivate(keyPath, made.key);
  writePrivate(certificatePath, made.certificate);
  return made;
}
