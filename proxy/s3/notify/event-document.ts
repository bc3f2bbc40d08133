/** A notification as S3 words it (version 2.1). Pure. */
import type { S3Request } from '../context.ts';
import { ownerId } from '../owner-id.ts';
import { regionName } from '../region.ts';
import { uriEncode } from '../sigv4/uri-encode.ts';
import type { Happened } from './notifier.ts';

export interface EventFacts {
  readonly happened: Happened;
  readonly request: S3Request | undefined;
  readonly configurationId: string;
  readonly region: string;
  readonly nowUs: number;
  /** Orders the events of one key. */
  readonly sequencer: string;
}

export function eventDocument(facts: EventFacts): string {
  const { happened, request, configurationId, nowUs, sequencer } = facts;
  const { container, event, key, size, etag, versionId } = happened;
  const owner = { principalId: ownerId(container.account) };
  const record = {
    eventVersion: '2.1',
    eventSource: 'aws:s3',
    awsRegion: regionName(facts.region),
    eventTime: new Date(nowUs / 1000).toISOString(),
    eventName: event,
    userIdentity: { principalId: request?.caller?.identity.userId ?? 'anonymous' },
    requestParameters: { sourceIPAddress: request?.clientIp ?? '' },
    responseElements: { 'x-amz-request-id': request?.requestId ?? '' },
    s3: {
      s3SchemaVersion: '1.0',
      configurationId,
      bucket: { name: container.name, ownerIdentity: owner, arn: `arn:aws:s3:::${container.name}` },
      object: {
        key: uriEncode(key, true).replaceAll('%20', '+'),
        ...(size === undefined ? {} : { size }),
        ...(etag === undefined ? {} : { eTag: etag }),
        ...(versionId === undefined ? {} : { versionId }),
        sequencer,
      },
    },
  };
  return JSON.stringify({ Records: [record] });
}
