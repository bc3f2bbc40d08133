/** Asking the other services by their own APIs as whoever asks here: what they refuse is refused in their words. */
import { callerOf, type Request } from './caller.ts';
import type { ComputeCore } from './core.ts';
import { type ComputeCode, computeFailure } from './failures.ts';
import type { ServiceAnswer, ServiceQuestion } from './neighbours.ts';

const codes: Readonly<Record<number, ComputeCode>> = {
  400: 'refused',
  401: 'unauthorized',
  403: 'forbidden',
  404: 'missing',
  409: 'refused-conflict',
  413: 'over-quota',
  501: 'not-implemented',
};

export type Question = Omit<ServiceQuestion, 'token'>;

/** The answer, whatever its status. */
export async function attempt(
  core: ComputeCore,
  request: Request,
  question: Question,
): Promise<ServiceAnswer> {
  if (core.services === undefined)
    throw computeFailure('not-implemented', { what: `Asking the ${question.service} service` });
  return await core.services.call({ ...question, token: callerOf(request).token });
}

/** The answer's body; a refusal there is one here. */
export async function ask(
  core: ComputeCore,
  request: Request,
  question: Question,
): Promise<Readonly<Record<string, unknown>>> {
  const { status, body } = await attempt(core, request, question);
  if (status < 400) return body;
  const code = codes[status] ?? 'refused';
  const why = messageIn(body) ?? `The ${question.service} service answers ${status}.`;
  throw computeFailure(code, { why, what: why });
}

/** Services wrap their message in an object of some name, or two. */
export function messageIn(body: unknown): string | undefined {
  if (typeof body !== 'object' || body === null) return undefined;
  if ('message' in body && typeof body.message === 'string') return body.message;
  for (const inner of Object.values(body)) {
    const found = messageIn(inner);
    if (found !== undefined) return found;
  }
  return undefined;
}
