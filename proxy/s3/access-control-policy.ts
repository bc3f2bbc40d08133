/** The access control document that is true of every bucket and object here: the owner has full control. */
import type { Container } from '../objects/index.ts';
import { ownerId } from './access.ts';
import { element, s3Document, wrap } from './xml/write.ts';

const instance = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"';
const everyone = 'http://acs.amazonaws.com/groups/global/AllUsers';

/** A Swift read list that is open to everybody shows as a grant to everybody. */
export function ownerOnlyAcl(container: Container): string {
  const owner = element('ID', ownerId(container.account));
  const grantee = `<Grantee ${instance} xsi:type="CanonicalUser">${owner}</Grantee>`;
  const grants = [wrap('Grant', grantee + element('Permission', 'FULL_CONTROL'))];
  const readList = (container.system['read-acl'] ?? '').split(',').map((word) => word.trim());
  if (readList.includes('.r:*')) {
    const all = `<Grantee ${instance} xsi:type="Group">${element('URI', everyone)}</Grantee>`;
    grants.push(wrap('Grant', all + element('Permission', 'READ')));
  }
  const list = wrap('AccessControlList', grants.join(''));
  return s3Document('AccessControlPolicy', wrap('Owner', owner) + list);
}
