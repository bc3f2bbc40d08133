/** The policies that every account has, under the names that people know. */

function document(actions: readonly string[]): string {
  const statement = { Effect: 'Allow', Action: actions, Resource: '*' };
  return JSON.stringify({ Version: '2012-10-17', Statement: [statement] });
}

const policies: Readonly<Record<string, string>> = {
  'arn:aws:iam::aws:policy/AdministratorAccess': document(['*']),
  'arn:aws:iam::aws:policy/AmazonS3FullAccess': document(['s3:*']),
  'arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess': document(['s3:Get*', 's3:List*']),
  'arn:aws:iam::aws:policy/IAMFullAccess': document(['iam:*']),
};

export function managedPolicy(arn: string): string | undefined {
  return Object.hasOwn(policies, arn) ? policies[arn] : undefined;
}
