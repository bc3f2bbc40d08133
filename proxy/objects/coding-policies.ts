/** Storage policies that keep bodies in fragments instead of copies, as the settings declare them. */
import type { Code } from '#cluster';
import { objectFailure } from './failures.ts';
import type { Fields } from './fields.ts';
import { storageClassField } from './rows/storage-class.ts';

export interface CodingPolicy {
  readonly name: string;
  readonly code: Code;
  /** Devices may hold several fragments of one blob, and then losing one of them loses those. */
  readonly mayShareDevices: boolean;
}

/** Below this a fragment costs more to handle than it saves: such bodies are kept in copies. */
const fragmentBytesMin = 16_384;

/** `cold=4+2 deep=8+4 small=4+2=shared`. */
export function parseCodingPolicies(text: string): readonly CodingPolicy[] {
  const policies: CodingPolicy[] = [];
  for (const word of text.split(/[\s,]+/)) {
    const [name = '', shape = '', sharing] = word.split('=');
    const [k, m] = shape.split('+').map(Number);
    if (name === '' || k === undefined || m === undefined) continue;
    policies.push({ name, code: { k, m }, mayShareDevices: sharing === 'shared' });
  }
  return policies;
}

/** `GLACIER_IR=cold DEEP_ARCHIVE=deep`: in which storage policy the objects of a storage class lie. */
export function parseClassPolicies(text: string): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const word of text.split(/[\s,]+/)) {
    const [name, policy] = word.split('=');
    if (name && policy) found.set(name, policy);
  }
  return found;
}

export class CodingPolicies {
  readonly all: readonly CodingPolicy[];
  private readonly byName: ReadonlyMap<string, CodingPolicy>;
  private readonly deviceCount: () => number;
  private readonly ofClass: ReadonlyMap<string, string>;

  constructor(text: string, deviceCount: () => number, classes = '') {
    this.ofClass = parseClassPolicies(classes);
    this.all = parseCodingPolicies(text);
    this.byName = new Map(this.all.map((policy) => [policy.name, policy]));
    this.deviceCount = deviceCount;
  }

  /** How a body of this policy is stored; undefined for copies. */
  codeOf(policy: string): Code | undefined {
    return this.byName.get(policy)?.code;
  }

  /** The same for an object: its storage class decides where that is mapped to a policy, else its container does. */
  codeFor(containerPolicy: string, system: Fields | undefined): Code | undefined {
    const name = system?.[storageClassField];
    const policy = name === undefined ? undefined : this.ofClass.get(name);
    if (policy === undefined) return this.codeOf(containerPolicy);
    this.check(policy);
    return this.codeOf(policy);
  }

  /** Refuses a container whose fragments would share devices without anybody having said so. */
  check(policy: string): void {
    const coding = this.byName.get(policy);
    if (coding === undefined || coding.mayShareDevices) return;
    const needed = coding.code.k + coding.code.m;
    const devices = this.deviceCount();
    if (devices >= needed) return;
    throw objectFailure(
      'policy-unavailable',
      `The storage policy ${policy} needs ${needed} devices, and there are ${devices}`,
      { facts: { policy, needed, devices } },
    );
  }
}

/** Undefined where copies are cheaper. */
export function codeForLength(code: Code | undefined, length: number): Code | undefined {
  return code !== undefined && length >= code.k * fragmentBytesMin ? code : undefined;
}
