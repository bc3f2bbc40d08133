/**
 * `pileus join TOKEN`: makes this machine a storage node.
 *
 *  1. The controller shows its authority's certificate, which must be the one that the token names. Nothing has been sent to it so far.
 *  2. Over a connection that this authority vouches for, the controller asks for the token's secret.
 *  3. It gives a name, ring ids for the devices and a certificate: they are written down with a settings file.
 */
import * as fs from 'node:fs';
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from 'node:tls';
import { Type } from 'typebox';
import { Value } from 'typebox/value';
import { stringify } from 'yaml';
import { Failure, messageOf, silentLogger, systemClock } from '#common';
import { serveCalls } from '#wire';
import { dataFolder, writePrivate } from '../data-folder.ts';
import { fingerprintOf } from '../hosts/registry.ts';
import { deviceName } from '../roles/devices.ts';
import { version } from '../version.ts';
import { parseToken } from './join-tokens.ts';
import { nodeAlpn } from './links.ts';
import { tlsTo } from './node-link.ts';
import { linkDevice } from './ring-calls.ts';

export interface JoinOptions {
  readonly data: string;
  readonly host: string;
  readonly port: number;
  /** Where disks are mounted; one device in the data folder when there are none. */
  readonly devices: readonly string[];
}

const Welcome = Type.Object({
  clusterId: Type.String({ minLength: 8, maxLength: 64 }),
  name: Type.String({ pattern: '^[a-z0-9-]{1,63}$' }),
  devices: Type.Array(Type.Integer({ minimum: 0, maximum: 65_534 })),
  authority: Type.String(),
  certificate: Type.String(),
  key: Type.String(),
});

/** Returns the settings file of the node. */
export async function joinCluster(token: string, options: JoinOptions): Promise<string> {
  const { host, port, authority, secret } = parseToken(token);
  const folder = dataFolder(options.data);
  const file = folder.path('node.yaml');
  if (fs.existsSync(file))
    throw new Failure('conflict', 'joined-already', `This machine has joined already: ${file}`);
  const controller = { host, port };
  const socket = await trusted(controller, authority);
  let refused: string | undefined;
  const calls = {
    joining: async () => ({
      ...{ secret, version, host: options.host, port: options.port },
      devices: Math.max(1, options.devices.length),
    }),
    refused: async (args: unknown) => {
      refused = String((args as { readonly why?: unknown }).why);
      return {};
    },
    welcome: async (args: unknown) => {
      if (!Value.Check(Welcome, args))
        throw new Failure('invalid', 'bad-welcome', 'The controller does not say what it must');
      const { clusterId, name, devices } = args;
      fs.mkdirSync(folder.path('secrets'), { recursive: true, mode: 0o700 });
      options.devices.forEach((path, at) => {
        linkDevice(folder, deviceName(devices[at] ?? 0), path);
      });
      writePrivate(folder.path('secrets', 'authority.pem'), args.authority);
      writePrivate(folder.path('secrets', `${name}.key`), args.key);
      writePrivate(folder.path('secrets', `${name}.pem`), args.certificate);
      const own = { clusterId, name, data: '.', secrets: './secrets', devices, controller };
      writePrivate(file, stringify({ ...own, host: options.host, port: options.port }));
      return {};
    },
  };
  await serveCalls(socket, calls, { clock: systemClock, log: silentLogger }).ended;
  if (refused !== undefined) throw new Failure('denied', 'not-admitted', refused);
  if (!fs.existsSync(file))
    throw new Failure(
      'unreachable',
      'not-admitted',
      'The controller ended the connection; see its log',
    );
  return file;
}

async function trusted(
  controller: { readonly host: string; readonly port: number },
  fingerprint: string,
): Promise<TLSSocket> {
  const shown = await connected({ ...controller, rejectUnauthorized: false });
  const chain = shown.getPeerCertificate(true);
  shown.destroy();
  const issuer = chain.issuerCertificate?.raw;
  if (issuer === undefined || fingerprintOf(issuer) !== fingerprint)
    throw new Failure(
      'denied',
      'wrong-controller',
      'Whoever answers there is not the controller that made this token',
    );
  const pem = `-----BEGIN CERTIFICATE-----\n${issuer.toString('base64')}\n-----END CERTIFICATE-----\n`;
  return connected(tlsTo(controller, pem));
}

function connected(options: ConnectionOptions): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = connectTls({
      ...options,
      minVersion: 'TLSv1.3',
      ALPNProtocols: [nodeAlpn.join],
    });
    socket.once('secureConnect', () => resolve(socket));
    socket.once('error', (error) =>
      reject(
        new Failure(
          'unreachable',
          'no-controller',
          `The controller is out of reach: ${messageOf(error)}`,
          {
            cause: error,
          },
        ),
      ),
    );
  });
}
