/** What a guest prints; ways to its screen and serial line; its password. */
import Type from 'typebox';
import { computeFailure } from '../../failures.ts';
import * as fields from '../../fields.ts';
import { type Action, checked, refuseState } from './action.ts';

const consoleBytesMax = 1024 * 1024;

export const consoleActions: Readonly<Record<string, Action>> = {
  'os-getConsoleOutput': {
    policy: 'os_compute_api:os-console-output',
    whileLocked: true,
    check: checked(
      Type.Object({
        length: Type.Optional(
          Type.Union([
            Type.Integer({ minimum: -1 }),
            Type.String({ pattern: '^-?[0-9]{1,9}$' }),
            Type.Null(),
          ]),
        ),
      }),
    ),
    run: async (core, _request, row, { length }: { length?: number | string | null }) => {
      if (row.host === null)
        throw computeFailure('refused-conflict', { why: `Instance ${row.id} is not ready` });
      const log = await core.host(row.host).hypervisor.consoleLog(row.id, consoleBytesMax);
      const text = log.toString('utf8').replaceAll('\0', '');
      const lines = length === undefined || length === null ? -1 : Number(length);
      const output = lines < 0 ? text : lines === 0 ? '' : lastLines(text, lines);
      return { body: { output } };
    },
  },
  changePassword: {
    policy: 'os_compute_api:os-admin-password',
    check: checked(fields.object({ adminPass: Type.String({ maxLength: 255 }) })),
    run: async (_core, _request, row) => {
      refuseState(row, 'changePassword', ['active']);
      throw computeFailure('not-implemented', { what: 'Setting passwords (use a key pair)' });
    },
  },
};

function lastLines(text: string, count: number): string {
  const lines = text.split('\n');
  const whole = lines.at(-1) === '' ? lines.slice(0, -1) : lines;
  return whole.slice(-count).join('\n');
}
