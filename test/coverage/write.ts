/** Writes the generated pages: API coverage and the settings reference. */
import * as fs from 'node:fs';
import { join } from 'node:path';
import { renderSettingsReference } from '#common';
import { settingsRooms } from '../../cli/settings.ts';
import { renderCoverage } from './render.ts';

const docs = join(import.meta.dirname, '../../docs');
fs.writeFileSync(join(docs, 'api-coverage.md'), renderCoverage());
fs.writeFileSync(join(docs, 'settings.md'), renderSettingsReference(settingsRooms));
