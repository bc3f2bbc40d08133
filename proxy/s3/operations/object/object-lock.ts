/** Retention and legal hold of a version. */
import {
  legalHoldField,
  lockInForce,
  lockModeField,
  lockUntilField,
  type ObjectInfo,
} from '../../../objects/index.ts';
import { readDocument } from '../../body/read-document.ts';
import { changeObject } from '../../change-object.ts';
import { checkHasLock, untilDate, untilSeconds } from '../../config/object-lock.ts';
import type { Operation } from '../../context.ts';
import { describeStored, wantedOf } from '../../find-object.ts';
import { emptyReply, xmlReply } from '../../reply.ts';
import { S3Failure } from '../../s3-failure.ts';
import { parseXml } from '../../xml/parse.ts';
import { element, s3Document } from '../../xml/write.ts';
import { bypassesGovernance } from './delete-object.ts';

export const getObjectRetention: Operation = async (request, services) => {
  const wanted = wantedOf(request, 's3:GetObjectRetention', 's3:GetObjectRetention');
  const { container, object } = await describeStored(wanted, request, services);
  checkHasLock(container);
  const { [lockModeField]: mode, [lockUntilField]: until } = object.system;
  if (mode === undefined || until === undefined)
    throw new S3Failure('NoSuchObjectLockConfiguration');
  const inner = element('Mode', mode) + element('RetainUntilDate', untilDate(until));
  return xmlReply(200, s3Document('Retention', inner));
};

interface Retention {
  readonly mode: string;
  readonly until: string;
}

export const putObjectRetention: Operation = async (request, services) => {
  const wanted = wantedOf(request, 's3:PutObjectRetention', 's3:PutObjectRetention');
  const document = await readDocument(request, services.settings.documentBytesMax);
  const retention = parseRetention(document);
  const requestLock = lockNames(retention);
  const { container } = await describeStored(wanted, { ...request, requestLock }, services);
  checkHasLock(container);
  const until = retention && untilSeconds(retention.until, request.nowMs);
  const next = retention && { mode: retention.mode, until: until ?? '' };
  const bypass = bypassesGovernance(request, container, request.key);
  await changeObject(services, { container, wanted }, (present) => {
    checkRetention(present, next, { nowMs: request.nowMs, bypass });
    return { [lockModeField]: next?.mode, [lockUntilField]: next?.until };
  });
  return emptyReply(200);
};

/** Undefined for an empty document, which takes the retention away. */
function parseRetention(document: Buffer): Retention | undefined {
  const root = parseXml(document, { roots: ['Retention'], tagsMax: 20 });
  const mode = root.childText('Mode')?.trim();
  const until = root.childText('RetainUntilDate')?.trim();
  if (mode === undefined && until === undefined) return undefined;
  if ((mode !== 'GOVERNANCE' && mode !== 'COMPLIANCE') || until === undefined)
    throw new S3Failure('MalformedXML');
  return { mode, until };
}

/** As the headers of a write would say it: conditions of policies ask for that. */
function lockNames(retention: Retention | undefined): Readonly<Record<string, string>> {
  if (retention === undefined) return {};
  return {
    'x-amz-object-lock-mode': retention.mode,
    'x-amz-object-lock-retain-until-date': retention.until,
  };
}

/** Longer is always possible; shorter or weaker only under governance, for those who may bypass it. */
function checkRetention(
  present: ObjectInfo,
  next: Retention | undefined,
  { nowMs, bypass }: { readonly nowMs: number; readonly bypass: boolean },
): void {
  const inForce = lockInForce(present, nowMs * 1000);
  if (inForce === undefined) return;
  const until = Number(present.system[lockUntilField] ?? 0);
  const isLonger = next !== undefined && Number(next.until) >= until;
  const isStronger = next?.mode === inForce || next?.mode === 'COMPLIANCE';
  if (isLonger && isStronger) return;
  if (inForce === 'GOVERNANCE' && bypass) return;
  throw new S3Failure('AccessDenied', {
    message: 'Access Denied because object protected by object lock.',
  });
}

export const getObjectLegalHold: Operation = async (request, services) => {
  const wanted = wantedOf(request, 's3:GetObjectLegalHold', 's3:GetObjectLegalHold');
  const { container, object } = await describeStored(wanted, request, services);
  checkHasLock(container);
  const hold = object.system[legalHoldField];
  if (hold === undefined) throw new S3Failure('NoSuchObjectLockConfiguration');
  return xmlReply(200, s3Document('LegalHold', element('Status', hold)));
};

export const putObjectLegalHold: Operation = async (request, services) => {
  const wanted = wantedOf(request, 's3:PutObjectLegalHold', 's3:PutObjectLegalHold');
  const document = await readDocument(request, services.settings.documentBytesMax);
  const status = parseXml(document, { roots: ['LegalHold'], tagsMax: 20 })
    .childText('Status')
    ?.trim();
  if (status !== 'ON' && status !== 'OFF') throw new S3Failure('MalformedXML');
  const requestLock = { 'x-amz-object-lock-legal-hold': status };
  const { container } = await describeStored(wanted, { ...request, requestLock }, services);
  checkHasLock(container);
  await changeObject(services, { container, wanted }, () => ({ [legalHoldField]: status }));
  return emptyReply(200);
};
