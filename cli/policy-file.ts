/** `policy.yaml` in the data folder: policy rules that replace the services' own, a section for each service. */
import * as fs from 'node:fs';
import { Type } from 'typebox';
import { Value } from 'typebox/value';
import { parse as parseYaml } from 'yaml';
import type { PolicyRules } from '#cloud/api';
import { Failure, messageOf } from '#common';

const Policies = Type.Record(Type.String(), Type.Record(Type.String(), Type.String()));

/** Nothing when there is no such file. Whether the rules exist and parse is said by the services. */
export function readPolicies(path: string): Readonly<Record<string, PolicyRules>> {
  if (!fs.existsSync(path)) return {};
  let document: unknown;
  try {
    document = parseYaml(fs.readFileSync(path, 'utf8'), { maxAliasCount: 0 }) ?? {};
  } catch (error) {
    throw new Failure('invalid', 'bad-policy', `${path} is not YAML: ${messageOf(error)}`);
  }
  if (Value.Check(Policies, document)) return document;
  throw new Failure(
    'invalid',
    'bad-policy',
    `${path}: expected sections such as identity: with lines such as "identity:list_users": "role:reader"`,
  );
}
