import { describe, expect, test } from 'vitest';
import { Failure, isFailure, messageOf, systemCodeOf } from './failure.ts';

describe('Failure', () => {
  test('its message ends in facts, without the unknown ones', () => {
    const failure = new Failure('busy', 'disk-full', 'The disk is full', {
      facts: { path: '/d', free: 0, why: undefined },
    });
    expect(failure.message).toBe('The disk is full path=/d free=0');
    expect(isFailure(failure, 'busy')).toBe(true);
    expect(isFailure(failure, 'invalid')).toBe(false);
    expect(isFailure(new Error('no'))).toBe(false);
  });

  test('a system code is found behind wrappings', () => {
    const cause = Object.assign(new Error('ENOSPC: no space'), { code: 'ENOSPC' });
    expect(systemCodeOf(new Failure('busy', 'disk-full', 'Full', { cause }))).toBe('ENOSPC');
    expect(systemCodeOf(new Error('plain'))).toBeUndefined();
    expect(messageOf('text')).toBe('text');
  });
});
