/**
 * How compute hosts elsewhere reach OVN's southbound database: each as the chassis it is, with OVN's own role `ovn-controller`, so that one that
 * was taken over changes what is a controller's to change and nothing of another chassis. The northbound database is not served to them at all.
 *
 *  1. The database's server has a certificate of an authority that is used for nothing else.
 *  2. It listens on the loopback for whoever has a certificate of that authority, and takes its name for the chassis that asks.
 *  3. The controller alone issues those: whoever has come through its own door by a certificate of its own is connected by one that names its chassis.
 */
import * as fs from 'node:fs';
import { join } from 'node:path';
import { connect, type TLSSocket } from 'node:tls';
import { type Clock, Failure, type Random } from '#common';
import { type CertificateAndKey, createAuthority, issueCertificate } from '#wire';
import { run } from './commands.ts';

const files = { authority: 'authority', server: 'server' } as const;
const certificateDays = 825;
const bindMs = 5_000;

export interface SouthAccessParts {
  readonly folder: string;
  /** The database's socket, which the controller itself uses. */
  readonly socket: string;
  readonly clock: Clock;
  readonly random: Random;
}

export class SouthAccess {
  private readonly parts: SouthAccessParts;
  private readonly issued = new Map<string, Promise<CertificateAndKey>>();
  private authority: Promise<CertificateAndKey> | undefined;

  constructor(parts: SouthAccessParts) {
    this.parts = parts;
  }

  private path(name: string, kind: 'pem' | 'key'): string {
    return join(this.parts.folder, `${name}.${kind}`);
  }

  /** What the database's server is started with. */
  get args(): string[] {
    return [
      '--remote=db:OVN_Southbound,SB_Global,connections',
      `--private-key=${this.path(files.server, 'key')}`,
      `--certificate=${this.path(files.server, 'pem')}`,
      `--ca-cert=${this.path(files.authority, 'pem')}`,
    ];
  }

  /** Certificates, before the server is started. */
  async prepare(): Promise<void> {
    await this.authorityOf();
    const { clock, random } = this.parts;
    await this.kept(files.server, async () =>
      issueCertificate({
        authority: await this.authorityOf(),
        ...{ name: 'southbound', clock, random, validDays: certificateDays },
      }),
    );
  }

  private authorityOf(): Promise<CertificateAndKey> {
    const { clock, random } = this.parts;
    this.authority ??= this.kept(files.authority, () =>
      createAuthority({ cluster: 'southbound', clock, random }),
    );
    return this.authority;
  }

  private async kept(
    name: string,
    make: () => Promise<CertificateAndKey>,
  ): Promise<CertificateAndKey> {
    const [certificate, key] = [this.path(name, 'pem'), this.path(name, 'key')];
    if (fs.existsSync(certificate) && fs.existsSync(key))
      return {
        certificate: fs.readFileSync(certificate, 'utf8'),
        key: fs.readFileSync(key, 'utf8'),
      };
    const made = await make();
    fs.writeFileSync(key, made.key, { mode: 0o600 });
    fs.writeFileSync(certificate, made.certificate, { mode: 0o600 });
    return made;
  }

  /** A connection to the database as this chassis. */
  async connect(chassis: string): Promise<TLSSocket> {
    const { clock, random } = this.parts;
    const authority = await this.authorityOf();
    const pending =
      this.issued.get(chassis) ?? issueCertificate({ authority, name: chassis, clock, random });
    this.issued.set(chassis, pending);
    const { certificate, key } = await pending;
    const port = await this.listening();
    const socket = connect({
      ...{ host: '127.0.0.1', port, cert: certificate, key, ca: authority.certificate },
      // It is named by its authority, which names nothing else.
      checkServerIdentity: () => undefined,
    });
    await new Promise<void>((resolve, reject) => {
      socket.once('secureConnect', resolve);
      socket.once('error', reject);
    });
    return socket;
  }

  /** Asks for the listener when there is none, and for its port, which is another after each start of the server. */
  private async listening(): Promise<number> {
    const { clock } = this.parts;
    const until = clock.monotonicMs() + bindMs;
    for (;;) {
      const said = await this.control('--if-exists', 'get', 'Connection', '.', 'status:bound_port');
      const port = Number(said.replaceAll('"', ''));
      if (Number.isInteger(port) && port > 0) return port;
      if (clock.monotonicMs() > until)
        throw new Failure('unreachable', 'southbound-silent', 'OVN does not listen for hosts');
      await this.ask();
      await clock.sleep(50);
    }
  }

  private async ask(): Promise<void> {
    const present = await this.control('--bare', '--columns=_uuid', 'list', 'Connection');
    if (present !== '') return;
    await this.control(
      ...['--id=@hosts', 'create', 'Connection'],
      ...['target="pssl:0:127.0.0.1"', 'role=ovn-controller'],
      ...['--', 'set', 'SB_Global', '.', 'connections=@hosts'],
    );
  }

  private async control(...args: string[]): Promise<string> {
    const at = `--db=unix:${this.parts.socket}`;
    const said = await run('ovn-sbctl', [at, '--no-leader-only', '--timeout=5', ...args]);
    return said.trim();
  }
}
