/** Settings of the operation executor. */
import { declareSettings, type SettingsOf } from '#common';

export const operationSettings = declareSettings({
  inFlightMax: {
    type: 'integer',
    default: 16,
    min: 1,
    max: 1_000,
    about: 'Operations that this process works on at once.',
  },
  activeMax: {
    type: 'integer',
    default: 20_000,
    min: 1,
    max: 10_000_000,
    about: 'Operations that may be on their way in the whole cloud; one more is answered busy.',
  },
  leaseMs: {
    type: 'integer',
    default: 15_000,
    min: 200,
    max: 600_000,
    about: 'How long an operation belongs to a controller that gives no sign of life.',
  },
  pollMs: {
    type: 'integer',
    default: 1_000,
    min: 10,
    max: 60_000,
    about: 'How often a controller looks for operations that are due, when nobody wakes it.',
  },
  retryMs: {
    type: 'integer',
    default: 500,
    min: 1,
    max: 600_000,
    about: 'Wait before the first further try of a step; doubles with each.',
  },
  retryMsMax: {
    type: 'integer',
    default: 60_000,
    min: 1,
    max: 3_600_000,
    about: 'The longest wait between two tries of a step.',
  },
  keepDays: {
    type: 'integer',
    default: 30,
    min: 1,
    max: 3_650,
    about: 'How long operations that have ended can be looked up.',
  },
  redisUrl: {
    type: 'text',
    default: '',
    about:
      'A redis:// address through which several controllers wake each other; empty: each looks every `pollMs`.',
  },
});

export type OperationSettings = SettingsOf<typeof operationSettings>;
