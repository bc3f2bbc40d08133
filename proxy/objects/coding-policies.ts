/** Storage policies that keep bodies in fragments instead of copies, as the settings declare them. */
import type { Code } from '#cluster';
import { objectFailure } from './failures.ts';

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

export class CodingPolicies {
  readonly all: readonly CodingPolicy[];
  private readonly byName: ReadonlyMap<string, CodingPolicy>;
  private readonly deviceCount: () => number;

  constructor(text: string, deviceCount: () => number) {
    this.all = parseCodingPolicies(text);
    this.byName = new Map(this.all.map((policy) => [policy.name, policy]));
    this.deviceCount = deviceCount;
  }

  /** How a body of this policy is stored; undefined for copies. */
  codeOf(policy: string): Code | undefined {
    return this.byName.get(policy)?.code;
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
