/** `pileus settings …`: what is in force, and what there is to set. */
import { Command } from 'commander';
import { stringify } from 'yaml';
import { renderSettingsReference } from '#common';
import {
  type DataOptions,
  dataOption,
  folderOf,
  groupCommand,
  jsonOption,
  print,
} from './options.ts';

export function settingsCommand(): Command {
  const show = new Command('show')
    .description('print the settings in force, defaults included')
    .addOption(dataOption())
    .addOption(jsonOption())
    .action(async (options: DataOptions & { json?: boolean }) => {
      const { readSettings } = await import('../settings.ts');
      const settings = withoutSecrets(readSettings(folderOf(options)));
      print(options.json === true ? settings : stringify(settings).trimEnd());
    });
  const reference = new Command('reference')
    .description('print the reference page of all settings, as Markdown')
    .action(async () => {
      const { settingsRooms } = await import('../settings.ts');
      print(renderSettingsReference(settingsRooms).trimEnd());
    });
  return groupCommand('settings', 'show and explain settings', [show, reference]);
}

/** Addresses may hold passwords, and what is printed here is pasted into reports. */
function withoutSecrets(settings: unknown): unknown {
  const text = JSON.stringify(settings).replace(/(:\/\/[^/:@"\s]*):[^/@"\s]*@/g, '$1:***@');
  return JSON.parse(text);
}
