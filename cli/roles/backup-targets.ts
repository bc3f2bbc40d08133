/**
 * Other systems that backups may go to: buckets of S3 endpoints, another Pileus among them. `backup-targets.yaml` in the data folder
 * names them, with their keys and with whom they are for; a backup whose container is `TARGET:BUCKET` goes there.
 */
import * as fs from 'node:fs';
import { type Static, Type } from 'typebox';
import { Value } from 'typebox/value';
import { parse as parseYaml, YAMLParseError } from 'yaml';
import { Failure } from '#common';

const anyone = '*';
const projectWord = '{project}';
const Target = Type.Object(
  {
    endpoint: Type.String({ pattern: '^https?://[^/?#@]+/?$' }),
    accessKey: Type.String({ minLength: 1 }),
    secretKey: Type.String({ minLength: 1 }),
    region: Type.Optional(Type.String({ minLength: 1 })),
    /** Certificates that the endpoint's is checked against, beside those that everybody trusts. */
    caFile: Type.Optional(Type.String({ minLength: 1 })),
    /** Ids of the projects whose backups may go there, or `*`. */
    projects: Type.Array(Type.String({ minLength: 1 }), { minItems: 1 }),
    /** Names of buckets, `{project}` in them being the id of the backup's project, or `*`. */
    buckets: Type.Array(Type.String({ minLength: 1 }), { minItems: 1 }),
  },
  { additionalProperties: false },
);
const Targets = Type.Record(Type.String({ pattern: '^[a-z0-9-]{1,63}$' }), Target);
export type BackupTarget = Static<typeof Target>;
export type BackupTargets = Readonly<Record<string, BackupTarget>>;

/** Names that S3 has; nothing that leads a signed request to another place. */
const bucketName = /^[a-z0-9](?:[a-z0-9-]|\.(?!\.)){1,61}[a-z0-9]$/;
const othersBits = 0o077;

/** Nothing when there is no such file; one that others may read is refused, since it holds keys. */
export function readBackupTargets(path: string): BackupTargets {
  if (!fs.existsSync(path)) return {};
  if ((fs.statSync(path).mode & othersBits) !== 0)
    throw refused(`${path} holds keys and may be read by others; chmod 600 ${path}`);
  let document: unknown;
  try {
    document = parseYaml(fs.readFileSync(path, 'utf8'), { maxAliasCount: 0 }) ?? {};
  } catch (error) {
    // Its message quotes the line, which may be that of a secret key.
    const line = error instanceof YAMLParseError ? error.linePos?.[0].line : undefined;
    throw refused(`${path} is not YAML`, { line });
  }
  if (Value.Check(Targets, document)) return document;
  // What is wrong and where, never the value: it may be a key.
  const [first] = Value.Errors(Targets, document);
  throw refused(
    `${path}: expected names, each with endpoint (http://host:port), accessKey, secretKey, projects, buckets ` +
      `and perhaps region and caFile; ${first?.instancePath || '/'} ${first?.message ?? ''}`,
  );
}

export interface TargetPlace {
  readonly target: BackupTarget;
  readonly bucket: string;
}

/** Where `TARGET:BUCKET` leads; nothing for the name of a container, which has no colon. */
export function findPlace(targets: BackupTargets, container: string): TargetPlace | undefined {
  const cut = container.indexOf(':');
  if (cut < 0) return undefined;
  const name = container.slice(0, cut);
  const target = Object.hasOwn(targets, name) ? targets[name] : undefined;
  const bucket = container.slice(cut + 1);
  if (target === undefined) throw noPlace(`there is no backup target ${name}`);
  if (!bucketName.test(bucket)) throw noPlace(`${bucket} is no name of a bucket`);
  return { target, bucket };
}

/** Throws `invalid` or `denied` when no new backup of the project may go there. */
export function checkPlace(targets: BackupTargets, project: string, container: string): void {
  const place = findPlace(targets, container);
  if (place === undefined) return;
  const { projects, buckets } = place.target;
  // The same words as for a target that is not there: whom it serves is the operator's affair.
  if (!projects.includes(anyone) && !projects.includes(project))
    throw noPlace(`there is no backup target ${container.slice(0, container.indexOf(':'))}`);
  const allowed = buckets.some(
    (bucket) => bucket === anyone || bucket.replaceAll(projectWord, project) === place.bucket,
  );
  if (!allowed) throw noPlace(`this project may not use bucket ${place.bucket} of that target`);
}

function noPlace(why: string): Failure {
  return new Failure('invalid', 'bad-backup-place', why);
}

function refused(why: string, facts: { readonly line?: number | undefined } = {}): Failure {
  return new Failure('invalid', 'bad-backup-targets', why, { facts });
}
