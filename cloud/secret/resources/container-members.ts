/** Secrets in containers: which names a type has, and adding to and taking from generic ones. */
import Type from 'typebox';
import type { Route } from '#cloud/api';
import { json, projectOf, type Request, route, type SecretCaller } from '../caller.ts';
import type { SecretCore } from '../core.ts';
import { conflict, invalid, missing } from '../failures.ts';
import { containerOf, containerTarget, findSecret, idOfRef, membersOf } from '../rows.ts';
import { refOf } from '../views.ts';

export interface Member {
  /** '' for one without a name. */
  readonly name: string;
  readonly secretId: string;
}

/** Reference names by type: what there must be, and what there may be. */
const namesOf: Readonly<
  Record<string, { required: readonly string[]; optional: readonly string[] }>
> = {
  rsa: { required: ['public_key', 'private_key'], optional: ['private_key_passphrase'] },
  certificate: {
    required: ['certificate'],
    optional: ['private_key', 'private_key_passphrase', 'intermediates'],
  },
};

const refuse = (why: string) =>
  invalid(
    `Provided object does not match schema 'Container': ${why}. Invalid property: 'secret_refs'`,
  );

export function checkedMembers(
  type: string,
  given: readonly { readonly name?: string | null; readonly secret_ref: string }[],
  most: number,
): Member[] {
  if (given.length === 0) return [];
  if (given.length > most) throw refuse(`at most ${most} secrets`);
  const members = given.map(({ name, secret_ref }) => {
    const secretId = idOfRef(secret_ref, 'secrets');
    if (secretId === undefined) throw invalid('Provided field value is not supported');
    return { name: name ?? '', secretId };
  });
  const names = new Set(members.map(({ name }) => name));
  if (names.size !== members.length) throw refuse('Duplicate reference names are not allowed');
  if (new Set(members.map(({ secretId }) => secretId)).size !== members.length)
    throw refuse('Duplicate secret ids are not allowed');
  const wanted = namesOf[type];
  if (wanted === undefined) return members;
  const allowed = [...wanted.required, ...wanted.optional];
  if ([...names].some((name) => !allowed.includes(name)))
    throw refuse(
      `only ${allowed.map((name) => `'${name}'`).join(', ')} reference names are allowed for ${type} type`,
    );
  if (wanted.required.some((name) => !names.has(name)))
    throw refuse(
      `The minimum required reference names are ${wanted.required.map((name) => `'${name}'`).join(' and ')} for ${type} type`,
    );
  return members;
}

const body = Type.Object({
  name: Type.Optional(Type.String({ maxLength: 255 })),
  secret_ref: Type.String({ minLength: 1, maxLength: 1024 }),
});

export function containerMemberRoutes(core: SecretCore): Route<SecretCaller>[] {
  const common = {
    path: '/v1/containers/:container_id/secrets',
    target: containerTarget(core),
    mediaTypes: json,
    body,
  };
  return [
    route({
      ...common,
      method: 'POST',
      policy: 'container_secret:post',
      handle: async (request) => {
        const id = await addMember(core, request, request.body);
        const ref = refOf(request, 'containers', id);
        return { status: 201, headers: { Location: ref }, body: { container_ref: ref } };
      },
    }),
    route({
      ...common,
      method: 'DELETE',
      policy: 'container_secret:delete',
      handle: async (request) => {
        await removeMember(core, request, request.body);
        return { status: 204 };
      },
    }),
  ];
}

interface Given {
  readonly name?: string;
  readonly secret_ref: string;
}

async function addMember(core: SecretCore, request: Request, given: Given): Promise<string> {
  return await core.change(async (tx) => {
    const container = await containerOf(core, request, tx);
    if (container.type !== 'generic') throw invalid("Only 'generic' containers can be modified.");
    const secretId = idOfRef(given.secret_ref, 'secrets');
    const secret = secretId === undefined ? undefined : await findSecret(core, tx, secretId);
    if (secret?.project_id !== projectOf(request)) throw missing("Secret provided doesn't exist.");
    const name = given.name ?? '';
    const members = await membersOf(tx, container.id);
    if (members.some((one) => one.secret_id === secret.id && one.name === name))
      throw conflict(
        'Conflict. A secret with that name and ID is already stored in this container. The same secret can exist in a container as long as the name is unique.',
      );
    if (members.length >= core.settings.membersMax)
      throw invalid(`A container may hold ${core.settings.membersMax} secrets.`);
    await tx
      .insertInto('secret_container_member')
      .values({ container_id: container.id, secret_id: secret.id, name })
      .execute();
    return container.id;
  });
}

async function removeMember(core: SecretCore, request: Request, given: Given): Promise<void> {
  await core.change(async (tx) => {
    const container = await containerOf(core, request, tx);
    const name = given.name ?? '';
    const secretId = idOfRef(given.secret_ref, 'secrets');
    const secret = secretId === undefined ? undefined : await findSecret(core, tx, secretId);
    if (secret?.project_id !== projectOf(request))
      throw missing(
        `Secret '${name}' with reference '${given.secret_ref.slice(0, 255)}' doesn't exist.`,
      );
    const { numDeletedRows } = await tx
      .deleteFrom('secret_container_member')
      .where('container_id', '=', container.id)
      .where('secret_id', '=', secret.id)
      .where('name', '=', name)
      .executeTakeFirst();
    if (numDeletedRows === 0n) throw missing('Secret provided is not in the container');
  });
}
