import { describe, expect, it } from 'vitest';
import { CodingPolicies, codeForLength, parseCodingPolicies } from './coding-policies.ts';

describe('storage policies in fragments', () => {
  it('are declared by name', () => {
    expect(parseCodingPolicies('')).toEqual([]);
    expect(parseCodingPolicies('cold=4+2, tiny=2+1=shared')).toEqual([
      { name: 'cold', code: { k: 4, m: 2 }, mayShareDevices: false },
      { name: 'tiny', code: { k: 2, m: 1 }, mayShareDevices: true },
    ]);
  });

  it('are refused where there are too few devices, unless they may share them', () => {
    const policies = new CodingPolicies('cold=4+2 tiny=4+2=shared', () => 4);
    expect(() => policies.check('cold')).toThrow(/needs 6 devices, and there are 4/);
    policies.check('tiny');
    policies.check('default');
    new CodingPolicies('cold=4+2', () => 6).check('cold');
    expect(policies.codeOf('default')).toBeUndefined();
  });

  it('keep small bodies in copies', () => {
    const code = { k: 4, m: 2 };
    expect(codeForLength(code, 65_535)).toBeUndefined();
    expect(codeForLength(code, 65_536)).toBe(code);
    expect(codeForLength(undefined, 1e9)).toBeUndefined();
  });
});
