/** The inventory configurations of a bucket: each has an id of its own. */
import { isFailure } from '#common';
import { placeOf } from '../../../objects/index.ts';
import { openBucket } from '../../access.ts';
import { readDocument } from '../../body/read-document.ts';
import { changeSystem } from '../../config/bucket-document.ts';
import {
  inventoriesMax,
  inventoriesOf,
  inventoryField,
  parseInventory,
  renderInventory,
} from '../../config/inventory.ts';
import type { Operation, S3Request } from '../../context.ts';
import { inventoryDuty } from '../../inventory/worker.ts';
import { emptyReply, xmlReply } from '../../reply.ts';
import { S3Failure } from '../../s3-failure.ts';
import { parseXml } from '../../xml/parse.ts';
import { element, s3Document, wrap } from '../../xml/write.ts';

const root = 'InventoryConfiguration';

function idOf(request: S3Request): string {
  const id = request.query.get('id') ?? '';
  if (/^[\w.-]{1,64}$/.test(id)) return id;
  throw new S3Failure('InvalidConfigurationId');
}

export const getInventory: Operation = async (request, services) => {
  const container = await openBucket(request, services, 's3:GetInventoryConfiguration');
  const inner = inventoriesOf(container.system[inventoryField])[idOf(request)];
  if (inner === undefined) throw new S3Failure('NoSuchConfiguration');
  return xmlReply(200, s3Document(root, inner));
};

export const listInventories: Operation = async (request, services) => {
  const container = await openBucket(request, services, 's3:GetInventoryConfiguration');
  const all = Object.values(inventoriesOf(container.system[inventoryField]));
  const inner = element('IsTruncated', false) + all.map((each) => wrap(root, each)).join('');
  return xmlReply(200, s3Document('ListInventoryConfigurationsResult', inner));
};

export const putInventory: Operation = async (request, services) => {
  const container = await openBucket(request, services, 's3:PutInventoryConfiguration');
  const document = await readDocument(request, services.settings.documentBytesMax);
  const inventory = parseInventory(parseXml(document, { roots: [root], tagsMax: 200 }));
  if (inventory.id !== idOf(request)) throw new S3Failure('InvalidConfigurationId');
  try {
    await services.objects.containers.open(container.account, inventory.bucket);
  } catch (error) {
    if (!isFailure(error, 'missing') && !isFailure(error, 'invalid')) throw error;
    throw new S3Failure('InvalidS3DestinationBucket', { cause: error });
  }
  const all = {
    ...inventoriesOf(container.system[inventoryField]),
    [inventory.id]: renderInventory(inventory),
  };
  if (Object.keys(all).length > inventoriesMax) throw new S3Failure('TooManyConfigurations');
  await changeSystem(container, services, { [inventoryField]: JSON.stringify(all) });
  await services.objects.duties.ensure(inventoryDuty, placeOf(container));
  return emptyReply(200);
};

export const deleteInventory: Operation = async (request, services) => {
  const container = await openBucket(request, services, 's3:PutInventoryConfiguration');
  const { [idOf(request)]: gone, ...rest } = inventoriesOf(container.system[inventoryField]);
  if (gone === undefined) throw new S3Failure('NoSuchConfiguration');
  await changeSystem(container, services, { [inventoryField]: JSON.stringify(rest) });
  return emptyReply(204);
};
