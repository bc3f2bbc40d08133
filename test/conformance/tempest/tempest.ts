/** OpenStack's own integration tests (Debian package `tempest`) against a running cloud. */
import * as fs from 'node:fs';
import { join } from 'node:path';
import { type CloudInfo, run, scratchFolder } from '../../support/cloud.ts';

export interface TempestResult {
  readonly passed: number;
  readonly skipped: number;
  /** Names of the tests that failed, with their last words. */
  readonly failed: readonly string[];
}

/** Settings of the cloud that its tests of password rules count on. */
export const tempestSettings = [
  'identity:',
  '  lockoutFailuresMax: 3',
  '  lockoutDurationS: 5',
  '  passwordsUniqueLast: 2',
  '',
].join('\n');

type Sections = Readonly<Record<string, Readonly<Record<string, string | number | boolean>>>>;

function configuration(info: CloudInfo, folder: string, more: Sections): string {
  const { admin, endpoints } = info;
  const sections: Record<string, Record<string, string | number | boolean>> = {
    DEFAULT: { log_file: 'tempest.log' },
    oslo_concurrency: { lock_path: join(folder, 'locks') },
    auth: {
      admin_username: admin.username,
      admin_password: admin.password,
      admin_project_name: admin.project,
      admin_domain_name: admin.domain,
      admin_system: 'all',
      use_dynamic_credentials: true,
      tempest_roles: 'member',
    },
    identity: {
      uri_v3: endpoints.identity,
      auth_version: 'v3',
      v3_endpoint_type: 'public',
      region: 'RegionOne',
      default_domain_id: 'default',
      user_unique_last_password_count: 2,
      user_lockout_failure_attempts: 3,
      user_lockout_duration: 5,
    },
    'identity-feature-enabled': {
      api_v2: false,
      api_v2_admin: false,
      api_v3: true,
      trust: true,
      security_compliance: true,
      project_tags: true,
      application_credentials: true,
      access_rules: true,
    },
    service_available: { cinder: false, glance: false, neutron: false, nova: false, swift: true },
    'object-storage': { operator_role: 'member', reseller_admin_role: 'ResellerAdmin' },
    'object-storage-feature-enabled': {
      discoverable_apis: 'all',
      container_sync: true,
      object_versioning: true,
      discoverability: true,
    },
    validation: { run_validation: false },
  };
  const names = [...new Set([...Object.keys(sections), ...Object.keys(more)])];
  return names
    .map((section) => {
      const options = { ...sections[section], ...more[section] };
      const lines = Object.entries(options).map(([name, value]) => `${name} = ${value}`);
      return [`[${section}]`, ...lines, ''].join('\n');
    })
    .join('\n');
}

/** Runs the tests whose names match, in a workspace that goes away again. */
export async function runTempest(
  info: CloudInfo,
  regex: string,
  more: Sections = {},
): Promise<TempestResult> {
  const folder = scratchFolder('tempest');
  const workspace = join(folder, 'workspace');
  const env = { HOME: folder, OS_TEST_TIMEOUT: '120', PATH: '/usr/bin:/bin' };
  try {
    const made = await run('tempest', ['init', workspace], { env, cwd: folder });
    if (made.code !== 0) throw new Error(`tempest init: ${made.stderr}`);
    fs.writeFileSync(join(workspace, 'etc/tempest.conf'), configuration(info, folder, more));
    const ran = await run('tempest', ['run', '--concurrency', '2', '--regex', regex], {
      env,
      cwd: workspace,
      timeoutMs: 1_700_000,
    });
    return resultOf(ran.stdout, ran.stderr);
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

function resultOf(output: string, errors: string): TempestResult {
  const count = (word: string) => {
    const found = new RegExp(`^ - ${word}: (\\d+)$`, 'm').exec(output);
    if (found === null) throw new Error(`tempest said no totals: ${output}\n${errors}`);
    return Number(found[1]);
  };
  const failed = [...output.matchAll(/^\{\d+\} (.*?) \[[\d.]+s\] \.\.\. FAILED$/gm)].map(
    ([, name = '']) => `${name}\n${lastWords(output, name)}`,
  );
  if (failed.length !== count('Failed'))
    throw new Error(`tempest counts ${count('Failed')} failures: ${output}`);
  return { passed: count('Passed'), skipped: count('Skipped'), failed };
}

/** The end of a failure's traceback. */
function lastWords(output: string, name: string): string {
  const from = output.indexOf(`\n${name}`, output.indexOf('Captured traceback') - 2_000);
  const traceback = output.slice(from, from + 20_000).split('Captured pythonlogging')[0] ?? '';
  return traceback.trim().split('\n').slice(-6).join('\n');
}
