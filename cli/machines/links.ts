/**
 * Connections that storage nodes and other fronts have made to the controller: by them they are told of maps.
 *
 *   pileus-node/1   a process of the cluster, with its certificate
 *   pileus-join/1   a machine with a token, which gets a certificate for it
 */
import type { TLSSocket } from 'node:tls';
import { Type } from 'typebox';
import { Value } from 'typebox/value';
import { Failure, type Logger, messageOf, systemClock } from '#common';
import { Asking } from '#wire';
import { fingerprintOf } from '../hosts/registry.ts';
import { version, worksWith } from '../version.ts';
import { type ClusterMap, encodeMap } from './cluster-map.ts';
import type { Membership, Told } from './membership.ts';

export const nodeAlpn = { node: 'pileus-node/1', join: 'pileus-join/1' } as const;

const Hello = Type.Object({
  name: Type.String({ minLength: 1, maxLength: 63 }),
  role: Type.Union([Type.Literal('storage'), Type.Literal('front')]),
  version: Type.String({ maxLength: 63 }),
});

const MapTaken = Type.Object({ epoch: Type.Integer() });

interface Link {
  readonly role: 'storage' | 'front';
  readonly version: string;
  readonly sinceUs: number;
  readonly asking: Asking;
  epoch: number;
}

/** Taking up a map means waiting for what is under way by the one before. */
const mapMsMax = 60_000;

export class Links implements Told {
  private readonly membership: Membership;
  private readonly log: Logger;
  private readonly links = new Map<string, Link>();
  /** Why one that came was sent away. */
  private readonly refused = new Map<string, string>();

  constructor(membership: Membership, log: Logger) {
    this.membership = membership;
    this.log = log;
  }

  /** One of ours has connected. */
  async welcome(socket: TLSSocket): Promise<void> {
    const asking = new Asking(socket, { clock: systemClock });
    const hello = await asking.call('hello', {});
    if (!Value.Check(Hello, hello))
      throw new Failure('invalid', 'bad-hello', 'A node does not say what it must');
    const { name, role } = hello;
    this.check(hello, socket);
    this.refused.delete(name);
    this.links.get(name)?.asking.close();
    const sinceUs = systemClock.nowUs();
    const link: Link = { role, version: hello.version, sinceUs, asking, epoch: 0 };
    this.links.set(name, link);
    this.log.info({ node: name, version: hello.version }, 'a node has joined');
    void asking.ended.then(() => {
      if (this.links.get(name) === link) this.links.delete(name);
      this.log.warn({ node: name }, 'a node is out of reach');
    });
    await this.tellOne(name, link, this.membership.map);
  }

  /** First the fronts: nodes send away whoever goes by an older map. */
  async tell(map: ClusterMap): Promise<ReadonlySet<string>> {
    const names = new Set<string>();
    for (const role of ['front', 'storage'] as const) {
      const these = [...this.links].filter(([, link]) => link.role === role);
      await Promise.all(
        these.map(async ([name, link]) => {
          if (await this.tellOne(name, link, map)) names.add(name);
        }),
      );
    }
    return names;
  }

  find(name: string): Pick<Link, 'version' | 'sinceUs' | 'epoch'> | undefined {
    return this.links.get(name);
  }

  whyRefused(name: string): string | undefined {
    return this.refused.get(name);
  }

  dismiss(name: string): void {
    this.links.get(name)?.asking.close();
  }

  close(): void {
    for (const { asking } of this.links.values()) asking.close();
  }

  private async tellOne(name: string, link: Link, map: ClusterMap): Promise<boolean> {
    if (link.epoch >= map.epoch) return true;
    const signal = AbortSignal.timeout(mapMsMax);
    try {
      const taken = await link.asking.call('map', { map: encodeMap(map) }, { signal });
      if (Value.Check(MapTaken, taken)) link.epoch = Math.max(link.epoch, taken.epoch);
    } catch (error) {
      this.log.warn({ node: name, epoch: map.epoch }, `not told of a map: ${messageOf(error)}`);
    }
    return link.epoch >= map.epoch;
  }

  private check(
    { name, role, version: theirs }: { name: string; role: string; version: string },
    socket: TLSSocket,
  ): void {
    const certificate = socket.getPeerCertificate();
    const isNamed = certificate.subject?.CN === name;
    const node = this.membership.map.nodes.find((one) => one.name === name);
    const isKnown = role === 'front' || node !== undefined;
    const isLast =
      node?.fingerprint === undefined || node.fingerprint === fingerprintOf(certificate.raw);
    if (!isNamed || !isKnown || !isLast)
      throw new Failure('denied', 'not-a-node', `${name} is not a node of this cluster`);
    if (worksWith(version, theirs)) return;
    const why = `version ${theirs} does not work with this controller's ${version}: upgrade one step at a time`;
    this.refused.set(name, why);
    throw new Failure('denied', 'other-version', `${name}: ${why}`);
  }
}
