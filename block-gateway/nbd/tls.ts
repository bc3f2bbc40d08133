/** TLS for NBD: certificates (x509), pre-shared keys, or both at once. */
import { createSecureContext, type SecureContext } from 'node:tls';

/** PEM, all three. */
export interface NbdCertificates {
  readonly certificate: string;
  readonly key: string;
  readonly authority: string;
}

export interface NbdTlsOptions {
  readonly certificates?: NbdCertificates;
  /** The key of an identity; whether it is still worth anything is asked when it names an export. */
  readonly pskOf?: (identity: string) => Buffer | undefined;
}

export interface NbdTls {
  readonly context: SecureContext;
  readonly certified: boolean;
  readonly pskOf?: (identity: string) => Buffer | undefined;
}

const certificateCiphers = [
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES128-GCM-SHA256',
];
const pskCiphers = [
  'ECDHE-PSK-CHACHA20-POLY1305',
  'DHE-PSK-AES256-GCM-SHA384',
  'DHE-PSK-AES128-GCM-SHA256',
  'PSK-AES256-GCM-SHA384',
  'PSK-AES128-GCM-SHA256',
];
export const pskHint = 'pileus';

export function createNbdTls(options: NbdTlsOptions): NbdTls {
  const { certificates, pskOf } = options;
  const ciphers = [
    ...(pskOf === undefined ? ['TLS_AES_256_GCM_SHA384', 'TLS_AES_128_GCM_SHA256'] : []),
    ...(certificates === undefined ? [] : certificateCiphers),
    ...(pskOf === undefined ? [] : pskCiphers),
  ].join(':');
  const pem =
    certificates === undefined
      ? {}
      : { cert: certificates.certificate, key: certificates.key, ca: certificates.authority };
  const context = createSecureContext({
    ...pem,
    ciphers,
    minVersion: 'TLSv1.2',
    // Under 1.3 OpenSSL answers a client that has nothing but a pre-shared key (GnuTLS: libnbd, QEMU) with a certificate.
    ...(pskOf === undefined ? {} : { maxVersion: 'TLSv1.2' }),
    dhparam: 'auto',
  });
  return {
    context,
    certified: certificates !== undefined,
    ...(pskOf === undefined ? {} : { pskOf }),
  };
}
