import { describe, expect, it } from 'vitest';
import { isFailure, seededRandom } from '#common';
import { Passwords } from './passwords.ts';

const settings = { passwordCostLog2: 10, passwordsInFlightMax: 1, passwordsWaitingMax: 4 };
const passwords = new Passwords(settings, seededRandom(1));

describe('password hashes', () => {
  it('verify the password they were made of and no other', async () => {
    const hash = await passwords.hash('correct horse');
    expect(hash).toMatch(/^\$scrypt\$ln=10,r=8,p=1\$/);
    expect(await passwords.verify('correct horse', hash)).toBe(true);
    expect(await passwords.verify('correct horsf', hash)).toBe(false);
    expect(await passwords.verify('', hash)).toBe(false);
    expect(await passwords.hash('correct horse')).not.toBe(hash);
  });

  it('stay valid when the cost rises, and say that they are dated', async () => {
    const hash = await passwords.hash('p');
    const dearer = new Passwords({ ...settings, passwordCostLog2: 11 }, seededRandom(2));
    expect(await dearer.verify('p', hash)).toBe(true);
    expect(dearer.isDated(hash)).toBe(true);
    expect(passwords.isDated(hash)).toBe(false);
  });

  it('do the same work when there is no user', async () => {
    expect(await passwords.verify('anything', undefined)).toBe(false);
  });

  it('of nobody are checked as before after a crowd was turned away', async () => {
    const narrow = new Passwords({ ...settings, passwordsWaitingMax: 0 }, seededRandom(4));
    const crowd = await Promise.allSettled(
      Array.from({ length: 3 }, () => narrow.verify('p', undefined)),
    );
    expect(crowd.filter((outcome) => outcome.status === 'rejected')).toHaveLength(2);
    expect(await narrow.verify('p', undefined)).toBe(false);
  });

  it('refuse a password that would have to be cut', async () => {
    const failure = await passwords.hash('x'.repeat(1025)).catch((error: unknown) => error);
    expect(isFailure(failure, 'invalid')).toBe(true);
    const hash = await passwords.hash('x'.repeat(1024));
    expect(await passwords.verify('x'.repeat(1025), hash)).toBe(false);
  });

  it('answer busy when too many wait', async () => {
    const outcomes = await Promise.allSettled(Array.from({ length: 8 }, () => passwords.hash('p')));
    const refused = outcomes.filter((outcome) => outcome.status === 'rejected');
    expect(refused).toHaveLength(3);
    expect(refused.every((outcome) => isFailure(outcome.reason, 'busy'))).toBe(true);
  });

  it('report a damaged one as corrupt', async () => {
    const failure = await passwords.verify('p', '$scrypt$ln=10').catch((error: unknown) => error);
    expect(isFailure(failure, 'corrupt')).toBe(true);
  });
});
