import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Failure } from '#common';
import { Quorum, quorumFailure, thresholdsOf } from './quorum.ts';

describe('thresholds', () => {
  it('lists a majority and what blocks one', () => {
    for (let replicas = 1; replicas <= 16; replicas++) {
      const { majority, blocking } = thresholdsOf(replicas);
      expect(majority).toBe(Math.floor(replicas / 2) + 1);
      // Any majority meets any other, and any blocking set, in at least one replica.
      expect(2 * majority).toBeGreaterThan(replicas);
      expect(majority + blocking).toBe(replicas + 1);
    }
  });
});

type Fed = 'yes' | 'no' | 'failed';

function feed(quorum: Quorum<number>, device: number, what: Fed): void {
  if (what === 'yes') quorum.yes(device, device);
  else if (what === 'no') quorum.no({ timeUs: device + 1, coordinator: 1 });
  else quorum.failed(device, new Failure('unreachable', 'lost', 'Lost'));
}

describe('Quorum', () => {
  const fed = fc.array(fc.constantFrom<Fed>('yes', 'no', 'failed'), { minLength: 1, maxLength: 7 });

  it('is enough as soon as a majority did it, and decided when all have answered', () => {
    fc.assert(
      fc.property(fed, fc.boolean(), (answers, patient) => {
        const quorum = new Quorum<number>(answers.length, { patient });
        let yes = 0;
        answers.forEach((what, device) => {
          feed(quorum, device, what);
          if (what === 'yes') yes += 1;
          expect(quorum.verdict() === 'enough').toBe(yes >= quorum.thresholds.majority);
        });
        expect(quorum.verdict()).not.toBe('wait');
      }),
    );
  });

  it('patient, calls an attempt dead only when no replica can have done it', () => {
    fc.assert(
      fc.property(fed, (answers) => {
        const quorum = new Quorum<number>(answers.length, { patient: true });
        answers.forEach((what, device) => {
          feed(quorum, device, what);
          const all = device === answers.length - 1;
          const dead = all && answers.every((answer) => answer === 'no');
          expect(quorum.verdict() === 'refused').toBe(dead);
        });
      }),
    );
  });

  it('counts a device that was never asked, or refused, as one that did not do it', () => {
    const quorum = new Quorum<number>(3, { patient: true });
    feed(quorum, 0, 'no');
    quorum.failed(1, new Failure('unreachable', 'device-aside', 'Aside'));
    expect(quorum.verdict()).toBe('wait');
    quorum.failed(2, new Failure('busy', 'device-full', 'Full'));
    expect(quorum.verdict()).toBe('refused');
  });

  it('impatient, ends with the refusal that leaves no majority', () => {
    const quorum = new Quorum<number>(3);
    feed(quorum, 0, 'no');
    expect(quorum.verdict()).toBe('wait');
    feed(quorum, 1, 'no');
    expect(quorum.verdict()).toBe('refused');
  });

  it('keeps the newest version that a refusal named', () => {
    const quorum = new Quorum<number>(3);
    quorum.no({ timeUs: 7, coordinator: 2 });
    quorum.no({ timeUs: 7, coordinator: 9 });
    quorum.no({ timeUs: 5, coordinator: 20 });
    expect(quorum.newestRefusal).toEqual({ timeUs: 7, coordinator: 9 });
  });

  it('leaves the place of a failed device open when another was asked for it', () => {
    const quorum = new Quorum<number>(1);
    quorum.failed(0, new Error('gone'), true);
    expect(quorum.verdict()).toBe('wait');
    quorum.yes(5, 5);
    expect(quorum.verdict()).toBe('enough');
  });
});

describe('quorumFailure', () => {
  const lost = new Failure('unreachable', 'lost', 'Lost');
  const full = new Failure('busy', 'device-full', 'Full');
  const fenced = new Failure('denied', 'fenced', 'Fenced');

  it('is unreachable, and carries what each device said', () => {
    const failure = quorumFailure('write', [
      { device: 1, error: lost },
      { device: 2, error: full },
    ]);
    expect(failure).toMatchObject({ kind: 'unreachable', code: 'no-quorum' });
    expect(failure.message).toContain('device 1: Lost; device 2: Full');
    expect(failure.cause).toBeInstanceOf(AggregateError);
  });

  it('passes on what the caller can act on', () => {
    const all = quorumFailure(
      'write',
      [1, 2].map((device) => ({ device, error: full })),
    );
    expect(all).toMatchObject({ kind: 'busy', code: 'device-full' });
    const one = quorumFailure('blob', [
      { device: 1, error: lost },
      { device: 2, error: fenced },
    ]);
    expect(one).toMatchObject({ kind: 'denied', code: 'fenced' });
  });
});
