/** The policies that every account has, under the names that people know. */

function document(actions: readonly string[]): string {
  const statement = { Effect: 'Allow', Action: actions, Resource: '*' };
  return JSON.stringify({ Version: '2012-10-17', Statement: [statement] });
}

const prefix = 'arn:aws:iam::aws:policy/';

const policies: Readonly<Record<string, string>> = {
  [`${prefix}AdministratorAccess`]: document(['*']),
  [`${prefix}AmazonS3FullAccess`]: document(['s3:*']),
  [`${prefix}AmazonS3ReadOnlyAccess`]: document(['s3:Get*', 's3:List*']),
  [`${prefix}IAMFullAccess`]: document(['iam:*']),
  [`${prefix}IAMReadOnlyAccess`]: document(['iam:Get*', 'iam:List*']),
};

export const managedArns: readonly string[] = Object.keys(policies);

export function managedPolicy(arn: string): string | undefined {
  return Object.hasOwn(policies, arn) ? policies[arn] : undefined;
}

/** Since when there are these. */
export const managedSinceMs = Date.UTC(2026, 0, 1);
