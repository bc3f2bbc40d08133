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
  it('waits exactly as long as another answer could still decide it', () => {
    const fed = fc.array(fc.constantFrom<Fed>('yes', 'no', 'failed'), { minLength: 1, maxLength: 7 });
    fc.assert(
      fc.property(fed, (answers) => {
        const quorum = new Quorum<number>(answers.length);
        const { majority, blocking } = quorum.thresholds;
        const count = { yes: 0, no: 0, failed: 0 };
        answers.forEach((what, device) => {
          feed(quorum, device, what);
          count[what] += 1;
          const open = answers.length - device - 1;
          const verdict = quorum.verdict();
          if (count.yes >= majority) expect(verdict).toBe('enough');
          else if (count.no >= blocking) expect(verdict).toBe('refused');
          else if (count.yes + open < majority) expect(verdict).toBe('hopeless');
          else expect(verdict).toBe('wait');
        });
        // With every answer in, there is nothing to wait for.
        expect(quorum.verdict()).not.toBe('wait');
      }),
    );
  });

  it('calls an attempt dead only by refusals, never by failures', () => {
    const quorum = new Quorum<number>(3);
    feed(quorum, 0, 'no');
    feed(quorum, 1, 'failed');
    expect(quorum.verdict()).toBe('hopeless');
    feed(quorum, 2, 'no');
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
    const all = quorumFailure('write', [1, 2].map((device) => ({ device, error: full })));
    expect(all).toMatchObject({ kind: 'busy', code: 'device-full' });
    const one = quorumFailure('blob', [
      { device: 1, error: lost },
      { device: 2, error: fenced },
    ]);
    expect(one).toMatchObject({ kind: 'denied', code: 'fenced' });
  });
});
