/** The control calls behind `pileus operation …`, `pileus events` and `pileus audit`. */
import { Type } from 'typebox';
import { auditView, eventView, operationView, timeOf } from '#cloud/control';
import { Failure } from '#common';
import { parseArguments } from '../control/arguments.ts';
import type { ControlHandler } from '../control/protocol.ts';
import type { Controller } from './controller.ts';

const Text = Type.Optional(Type.String({ minLength: 1, maxLength: 255 }));
const Limit = Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000 }));
const List = Type.Object({ state: Text, workflow: Text, resource: Text, limit: Limit });
const One = Type.Object({ id: Type.String({ minLength: 1, maxLength: 64 }) });
const Follow = Type.Object({ after: Text, type: Text, limit: Limit });
const Audit = Type.Object({
  user: Text,
  project: Text,
  service: Text,
  action: Text,
  since: Text,
  failed: Type.Optional(Type.Boolean()),
  limit: Limit,
});

const usual = 100;

export function operationCalls(
  controller: Pick<Controller, 'operations' | 'events' | 'audit'>,
): Readonly<Record<string, ControlHandler>> {
  const { operations, events, audit } = controller;
  return {
    'operation-list': async (args) => {
      const { state, workflow, resource, limit = usual } = parseArguments(List, args);
      const query = new URLSearchParams({ limit: String(limit) });
      if (state !== undefined) query.set('state', state);
      if (workflow !== undefined) query.set('workflow', workflow);
      if (resource !== undefined) query.set('resource_id', resource);
      const page = await operations.list(query, { projectId: undefined });
      return page.rows.map(operationView);
    },
    'operation-show': async (args) => {
      const { id } = parseArguments(One, args);
      const operation = await operations.find(id);
      if (operation === undefined)
        throw new Failure('missing', 'no-such-operation', `There is no operation ${id}`);
      const steps = await operations.steps(id);
      return {
        ...operationView(operation),
        steps: steps.map((step) => ({
          number: step.number + 1,
          name: step.name,
          state: step.state,
          attempts: step.attempts,
          started_at: timeOf(step.started_at_us),
          ended_at: timeOf(step.ended_at_us ?? undefined),
        })),
      };
    },
    'operation-cancel': async (args) =>
      operationView(await operations.cancel(parseArguments(One, args).id)),
    'event-list': async (args) => {
      const { after, type, limit = usual } = parseArguments(Follow, args);
      const found = await events.list({ after, type, limit });
      const cursor = found.at(-1)?.cursor ?? after ?? (await events.end());
      return { events: found.map(eventView), cursor };
    },
    'event-end': async () => ({ cursor: await events.end() }),
    'audit-list': async (args) => {
      const wanted = parseArguments(Audit, args);
      const records = await audit.list({
        userId: wanted.user,
        projectId: wanted.project,
        service: wanted.service,
        action: wanted.action,
        failed: wanted.failed,
        sinceUs: timeOfText(wanted.since),
        limit: wanted.limit ?? usual,
      });
      return records.map(auditView);
    },
  };
}

function timeOfText(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const ms = Date.parse(text);
  if (Number.isFinite(ms)) return ms * 1000;
  throw new Failure('invalid', 'bad-arguments', `${text} is no time such as 2026-01-31T12:00:00Z`);
}
