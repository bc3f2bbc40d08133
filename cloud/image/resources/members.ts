/** Members: the projects that a shared image is shared with, and whether they want it. */
import Type from 'typebox';
import type { Route } from '#cloud/api';
import { callerOf, type ImageCaller, isAdmin, parameter, type Request, route } from '../caller.ts';
import type { Db, ImageCore } from '../core.ts';
import { conflict, forbidden, imageFailure, invalid, missing } from '../failures.ts';
import { enforce, getImage, targetOf } from '../images/access.ts';
import type { ImageRecord } from '../images/records.ts';
import type { MemberRow } from '../tables.ts';
import { isoTime } from '../times.ts';

const memberStatuses = ['pending', 'accepted', 'rejected'];

const memberView = (row: MemberRow) => ({
  member_id: row.member_id,
  image_id: row.image_id,
  status: row.status,
  created_at: isoTime(row.created_at_us),
  updated_at: isoTime(row.updated_at_us),
  schema: '/v2/schemas/member',
});

export function memberRoutes(core: ImageCore): Route<ImageCaller>[] {
  return [
    route({
      method: 'GET',
      path: '/v2/images/:image_id/members',
      policy: 'any-token',
      handle: async (request) => {
        const image = await sharedImage(core, request, 'get_members', core.db);
        const rows = await membersFor(core.db, request, image);
        return { body: { members: rows.map(memberView), schema: '/v2/schemas/members' } };
      },
    }),
    route({
      method: 'POST',
      path: '/v2/images/:image_id/members',
      policy: 'any-token',
      body: Type.Object({ member: Type.String({ maxLength: 255 }) }),
      handle: (request) => addMember(core, request, request.body.member),
    }),
    route({
      method: 'GET',
      path: '/v2/images/:image_id/members/:member_id',
      policy: 'any-token',
      handle: async (request) => {
        const image = await getImage(core, request, 'get_image');
        return { body: memberView(await getMember(core.db, request, image)) };
      },
    }),
    route({
      method: 'PUT',
      path: '/v2/images/:image_id/members/:member_id',
      policy: 'any-token',
      body: Type.Object({ status: Type.String({ maxLength: 64 }) }),
      handle: (request) => answerMembership(core, request, request.body.status),
    }),
    route({
      method: 'DELETE',
      path: '/v2/images/:image_id/members/:member_id',
      policy: 'any-token',
      handle: (request) => removeMember(core, request),
    }),
  ];
}

async function sharedImage(
  core: ImageCore,
  request: Request,
  rule: string,
  db: Db,
): Promise<ImageRecord> {
  const image = await getImage(core, request, 'get_image', db);
  if (image.visibility !== 'shared') throw forbidden('Only shared images have members.');
  enforce(request, image, rule);
  return image;
}

/** The owner sees all members, a member itself. */
async function membersFor(db: Db, request: Request, image: ImageRecord): Promise<MemberRow[]> {
  const { projectId = '' } = callerOf(request);
  const rows = db.selectFrom('image_member').selectAll().where('image_id', '=', image.id);
  const seen =
    isAdmin(request) || image.owner === projectId ? rows : rows.where('member_id', '=', projectId);
  return await seen.orderBy('created_at_us').orderBy('member_id').execute();
}

async function getMember(db: Db, request: Request, image: ImageRecord): Promise<MemberRow> {
  const memberId = parameter(request, 'member_id');
  const why = `${memberId.slice(0, 255)} not found in the member list of the image ${image.id}.`;
  if (image.visibility !== 'shared') throw missing('Only shared images have members.');
  if (!request.may('get_member', targetOf(request, image))) throw missing(why);
  const row = (await membersFor(db, request, image)).find((one) => one.member_id === memberId);
  if (row === undefined) throw missing(why);
  return row;
}

function addMember(core: ImageCore, request: Request, memberId: string) {
  return core.change(async (tx) => {
    const image = await sharedImage(core, request, 'add_member', tx);
    if (memberId.trim() === '') throw invalid("Member can't be empty");
    const members = await tx
      .selectFrom('image_member')
      .select('member_id')
      .where('image_id', '=', image.id)
      .execute();
    if (members.some((member) => member.member_id === memberId))
      throw conflict(`Member ${memberId} is duplicated for image ${image.id}`);
    const { membersMax } = core.settings;
    if (members.length >= membersMax)
      throw imageFailure('limit-exceeded', {
        why: `Image member limit exceeded for image ${image.id}: The limit has been exceeded on the number of allowed image members for this image. Attempted: ${members.length + 1}, Maximum: ${membersMax}:`,
      });
    const nowUs = core.nowUs();
    const row: MemberRow = {
      image_id: image.id,
      member_id: memberId,
      status: 'pending',
      created_at_us: nowUs,
      updated_at_us: nowUs,
    };
    await tx.insertInto('image_member').values(row).execute();
    return { body: memberView(row) };
  });
}

/** Members answer for themselves: the owner cannot accept his own offer. */
function answerMembership(core: ImageCore, request: Request, status: string) {
  return core.change(async (tx) => {
    const image = await getImage(core, request, 'get_image', tx);
    if (image.visibility !== 'shared') throw forbidden('Only shared images have members.');
    if (!isAdmin(request) && image.owner === callerOf(request).projectId)
      throw forbidden("You are not permitted to modify 'status' on this image member.");
    const row = await getMember(tx, request, image);
    const mine = { member_id: row.member_id };
    if (!request.may('modify_member', mine))
      throw forbidden(`Not allowed to update members for image ${image.id}.`);
    if (!memberStatuses.includes(status))
      throw invalid(
        `Incorrect request: Status should be one of [${memberStatuses.map((one) => `'${one}'`).join(', ')}]`,
      );
    const answered = { ...row, status, updated_at_us: core.nowUs() };
    await tx
      .updateTable('image_member')
      .set({ status, updated_at_us: answered.updated_at_us })
      .where('image_id', '=', image.id)
      .where('member_id', '=', row.member_id)
      .execute();
    return { body: memberView(answered) };
  });
}

function removeMember(core: ImageCore, request: Request) {
  return core.change(async (tx) => {
    const image = await sharedImage(core, request, 'get_members', tx);
    const { projectId } = callerOf(request);
    if (!isAdmin(request) && image.owner !== projectId)
      throw forbidden('You cannot delete image member.');
    enforce(request, image, 'delete_member');
    const memberId = parameter(request, 'member_id');
    const { numDeletedRows } = await tx
      .deleteFrom('image_member')
      .where('image_id', '=', image.id)
      .where('member_id', '=', memberId)
      .executeTakeFirst();
    if (numDeletedRows === 0n)
      throw missing(
        `${memberId.slice(0, 255)} not found in the member list of the image ${image.id}.`,
      );
    return { status: 204 };
  });
}
