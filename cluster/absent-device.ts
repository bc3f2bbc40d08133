/** Stands where a device should be: it answers every call with why it cannot. */
import type { Failure } from '#common';
import type { DeviceService } from '#wire';

export function absentDevice(why: Failure): DeviceService {
  const refuse = () => Promise.reject(why);
  return {
    readRow: refuse,
    acceptRow: refuse,
    prepareRow: refuse,
    scanRows: refuse,
    aggregate: refuse,
    putBlob: refuse,
    openBlob: refuse,
    readBlob: refuse,
    statBlob: refuse,
    deleteBlob: refuse,
    listBlobs: refuse,
    raiseFence: refuse,
    status: refuse,
    survey: refuse,
  };
}
