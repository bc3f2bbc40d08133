/** Generated pages are as they would be generated now. */
import * as fs from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { renderSettingsReference } from '#common';
import { settingsRooms } from '../../cli/settings.ts';
import { renderCoverage } from '../coverage/render.ts';
import { root } from './sources.ts';

const page = (name: string) => fs.readFileSync(join(root, 'docs', name), 'utf8');

test('docs/api-coverage.md', () => expect(page('api-coverage.md')).toBe(renderCoverage()));
test('docs/settings.md', () =>
  expect(page('settings.md')).toBe(renderSettingsReference(settingsRooms)));
