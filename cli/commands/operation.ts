/** `pileus operation …`: long changes of a running cloud. */
import { Command } from 'commander';
import { call } from '../control/client.ts';
import {
  type DataOptions,
  dataOption,
  folderOf,
  groupCommand,
  integerArgument,
  jsonOption,
  print,
} from './options.ts';
import { renderTable } from './table.ts';

interface OperationLine {
  readonly id: string;
  readonly workflow: string;
  readonly state: string;
  readonly resource_id: string | null;
  readonly step: string;
  readonly step_number: number;
  readonly step_count: number;
  readonly attempts: number;
  readonly progress: {
    readonly done: number;
    readonly total: number;
    readonly unit: string;
  } | null;
  readonly error: { readonly message: string; readonly step: string } | null;
  readonly next_try_at: string | null;
  readonly created_at: string;
  readonly ended_at: string | null;
}

interface StepLine {
  readonly number: number;
  readonly name: string;
  readonly state: string;
  readonly attempts: number;
  readonly started_at: string;
  readonly ended_at: string | null;
}

interface ListOptions extends DataOptions {
  readonly state?: string;
  readonly workflow?: string;
  readonly resource?: string;
  readonly limit: number;
  readonly json?: boolean;
}

export function operationCommand(): Command {
  const list = new Command('list')
    .description('list operations, the newest first')
    .option('--state <state>', 'waiting, running, undoing, succeeded, failed or cancelled')
    .option('--workflow <name>', 'such as image.import')
    .option('--resource <id>', 'only those on this resource')
    .option('--limit <n>', 'at most so many', integerArgument(1, 1_000), 100)
    .addOption(dataOption())
    .addOption(jsonOption())
    .action(async ({ data, json, ...args }: ListOptions) => {
      const found = (await call(folderOf({ data }), 'operation-list', args)) as OperationLine[];
      print(json === true ? found : renderOperations(found));
    });
  const show = new Command('show')
    .description('show one operation and what it has done so far')
    .argument('<id>')
    .addOption(dataOption())
    .addOption(jsonOption())
    .action(async (id: string, options: DataOptions & { json?: boolean }) => {
      const found = (await call(folderOf(options), 'operation-show', { id })) as OperationLine & {
        steps: StepLine[];
      };
      print(options.json === true ? found : renderOperation(found));
    });
  const cancel = new Command('cancel')
    .description('take back what an operation has done')
    .argument('<id>')
    .addOption(dataOption())
    .action(async (id: string, options: DataOptions) => {
      await call(folderOf(options), 'operation-cancel', { id });
      print(`Operation ${id} is being undone.`);
    });
  return groupCommand('operation', 'see and cancel long changes', [list, show, cancel]).alias(
    'operations',
  );
}

function renderOperations(found: readonly OperationLine[]): string {
  if (found.length === 0) return 'There are no operations.';
  return renderTable(
    ['id', 'what', 'state', 'step', 'resource', 'begun'],
    found.map((one) => [
      one.id,
      one.workflow,
      one.state,
      `${one.step} ${one.step_number}/${one.step_count}${progressOf(one)}`,
      one.resource_id ?? '',
      one.created_at,
    ]),
  );
}

function renderOperation(one: OperationLine & { readonly steps: readonly StepLine[] }): string {
  const lines = [
    `id        ${one.id}`,
    `what      ${one.workflow}`,
    `state     ${one.state}`,
    `step      ${one.step}, ${one.step_number} of ${one.step_count}${progressOf(one)}`,
    `resource  ${one.resource_id ?? 'none'}`,
    `begun     ${one.created_at}`,
  ];
  if (one.ended_at !== null) lines.push(`ended     ${one.ended_at}`);
  if (one.error !== null) lines.push(`error     ${one.error.message} (in ${one.error.step})`);
  if (one.attempts > 0) lines.push(`failed    ${one.attempts} times, next try ${one.next_try_at}`);
  const steps = one.steps.map((step) => [
    String(step.number),
    step.name,
    step.state,
    step.started_at,
    step.ended_at ?? '',
  ]);
  if (steps.length > 0) lines.push('', renderTable(['', 'step', 'state', 'begun', 'ended'], steps));
  return lines.join('\n');
}

function progressOf({ progress }: OperationLine): string {
  if (progress === null) return '';
  const { done, total, unit } = progress;
  return total > 0 ? ` (${Math.floor((done / total) * 100)} %)` : ` (${done} ${unit})`;
}
