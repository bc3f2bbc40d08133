/**
 * Machines that are network namespaces of this one, each with an address of its own on a bridge: for trying out what several machines do. The bridge's
 * own address is this machine's way to them.
 */
import { spawnSync } from 'node:child_process';
import { Failure } from '#common';

export interface Namespaces {
  /** Part of every name, so that several clusters can be on one machine. */
  readonly tag: string;
  /** The first three numbers of all addresses. */
  readonly network: string;
}

const hostPlace = 1;

export const bridgeOf = ({ tag }: Namespaces): string => `pcb-${tag}`;
export const namespaceOf = ({ tag }: Namespaces, name: string): string => `pc-${tag}-${name}`;
export const addressAt = ({ network }: Namespaces, place: number): string => `${network}.${place}`;

export function makeBridge(these: Namespaces): void {
  const bridge = bridgeOf(these);
  ip('link', 'add', bridge, 'type', 'bridge');
  ip('addr', 'add', `${addressAt(these, hostPlace)}/24`, 'dev', bridge);
  ip('link', 'set', bridge, 'up');
}

/** `place` is the last number of its address; 1 is this machine. */
export function makeNamespace(these: Namespaces, name: string, place: number): void {
  const namespace = namespaceOf(these, name);
  const inside = ['-n', namespace];
  const wire = `pc${these.tag}${place}`;
  ip('netns', 'add', namespace);
  ip('link', 'add', wire, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', namespace);
  ip('link', 'set', wire, 'master', bridgeOf(these), 'up');
  ip(...inside, 'link', 'set', 'lo', 'up');
  ip(...inside, 'addr', 'add', `${addressAt(these, place)}/24`, 'dev', 'eth0');
  ip(...inside, 'link', 'set', 'eth0', 'up');
  ip(...inside, 'route', 'add', 'default', 'via', addressAt(these, hostPlace));
}

export function removeNamespaces(these: Namespaces, names: readonly string[]): void {
  for (const name of names) remove('netns', 'del', namespaceOf(these, name));
  remove('link', 'del', bridgeOf(these));
}

/** A network that nothing on this machine uses. */
export function freeNetwork(): string {
  const taken = run(['-o', '-4', 'addr', 'show']).stdout;
  for (let third = 0; third < 256; third++)
    if (!taken.includes(` 10.213.${third}.`)) return `10.213.${third}`;
  throw new Failure(
    'busy',
    'no-network',
    'All networks 10.213.0.0/24 to 10.213.255.0/24 are taken',
  );
}

function ip(...args: string[]): void {
  const ran = run(args);
  if (ran.status === 0) return;
  throw new Failure('denied', 'no-namespaces', `ip ${args.join(' ')}: ${ran.stderr.trim()}`);
}

/** What is not there need not be removed. */
function remove(...args: string[]): void {
  const { status, stderr } = run(args);
  if (status === 0 || /No such file|Cannot find device/.test(stderr)) return;
  throw new Failure('denied', 'no-namespaces', `ip ${args.join(' ')}: ${stderr.trim()}`);
}

function run(args: readonly string[]): { status: number | null; stdout: string; stderr: string } {
  const { status, stdout, stderr, error } = spawnSync('ip', args, { encoding: 'utf8' });
  if (error !== undefined)
    throw new Failure('missing', 'no-ip', 'The program ip is needed: apt-get install iproute2');
  return { status, stdout, stderr };
}
