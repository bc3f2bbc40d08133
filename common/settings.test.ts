import { expect, test } from 'vitest';
import { declareSettings, defaultsOf, parseSettings } from './settings.ts';
import { renderSettingsReference } from './settings-reference.ts';

const rooms = {
  storage: declareSettings({
    reserveBytes: { type: 'integer', default: 10, min: 0, max: 100, about: 'Kept free.' },
    verify: { type: 'switch', default: true, about: 'Check.' },
  }),
  proxy: declareSettings({
    mode: { type: 'choice', default: 'fast', choices: ['fast', 'slow'], about: 'How.' },
    region: { type: 'text', default: 'one', pattern: /^[a-z]+$/, about: 'Where.' },
    share: { type: 'number', default: 0.5, min: 0, max: 1, about: 'How much.' },
  }),
};

test('defaults fill what is not said, and the values are frozen', () => {
  const settings = parseSettings(rooms, { proxy: { mode: 'slow' } });
  expect(settings).toEqual({
    storage: { reserveBytes: 10, verify: true },
    proxy: { mode: 'slow', region: 'one', share: 0.5 },
  });
  expect(Object.isFrozen(settings.proxy)).toBe(true);
  expect(defaultsOf(rooms.storage)).toEqual({ reserveBytes: 10, verify: true });
});

test('everything wrong is said at once, with what was probably meant', () => {
  const document = {
    storage: { reserveByte: 1, reserveBytes: 1.5, verify: 'yes' },
    proxi: {},
    proxy: { share: 2, mode: 'x', region: 'A' },
  };
  expect(() => parseSettings(rooms, document)).toThrowError(
    /proxi: .*\(did you mean proxy\?\)[\s\S]*reserveByte: .*\(did you mean reserveBytes\?\)[\s\S]*reserveBytes: expected a whole number from 0 to 100, got 1.5[\s\S]*verify: expected true or false[\s\S]*mode: expected one of fast, slow[\s\S]*region: expected text like[\s\S]*share: expected a number from 0 to 1/,
  );
  expect(() => parseSettings(rooms, [])).toThrowError(/expected a section/);
});

test('the reference has every setting', () => {
  expect(renderSettingsReference(rooms)).toContain(
    '| `reserveBytes` | `10` | 0 … 100 | Kept free. |',
  );
});
