/** The network service's HTTP API: every route, the policy, the dialect. */
import { apiService, type Caller, type MountableService, Policy, type Route } from '#cloud/api';
import type { NetworkCore } from './core.ts';
import { exceptionNameOf, networkFailures } from './failures.ts';
import type { Kind } from './model/documents.ts';
import type { Resource } from './model/resource.ts';
import { resourceRoutes } from './model/routes.ts';
import { tagRoutes } from './model/tags.ts';
import { networkRules } from './policies.ts';
import { absentRoutes } from './resources/absent.ts';
import { addressGroupActions, addressGroups } from './resources/address-groups.ts';
import { topologyRoutes } from './resources/auto-topology.ts';
import { discoveryRoutes } from './resources/discovery.ts';
import { floatingIps } from './resources/floating-ips.ts';
import { networks } from './resources/networks.ts';
import { portForwardings } from './resources/port-forwardings.ts';
import { ports } from './resources/ports/ports.ts';
import { qosPolicies, qosRoutes } from './resources/qos.ts';
import { quotaRoutes } from './resources/quotas.ts';
import { rbacPolicies } from './resources/rbac-policies.ts';
import { routerActions } from './resources/routers/actions.ts';
import { routers } from './resources/routers/routers.ts';
import { securityGroupRules } from './resources/security-group-rules.ts';
import { securityGroups } from './resources/security-groups.ts';
import { situationRoutes } from './resources/situation.ts';
import { addressScopes, subnetPoolActions, subnetPools } from './resources/subnet-pools.ts';
import { subnets } from './resources/subnets.ts';
import { trunkActions, trunks } from './resources/trunks.ts';

export type Authenticate = (token: string) => Promise<Caller | undefined>;

export function networkRoutes(core: NetworkCore): Route<Caller>[] {
  const routes: Route<Caller>[] = [];
  const tagged = <K extends Kind>(resource: Resource<K>) => {
    routes.push(...resourceRoutes(core, resource), ...tagRoutes(core, resource));
  };
  tagged(networks(core));
  tagged(subnets(core));
  tagged(ports(core));
  tagged(routers(core));
  tagged(floatingIps(core));
  tagged(securityGroups(core));
  tagged(securityGroupRules(core));
  tagged(subnetPools(core));
  tagged(addressScopes(core));
  tagged(addressGroups(core));
  tagged(trunks(core));
  tagged(qosPolicies(core));
  return [
    ...discoveryRoutes(),
    ...routes,
    ...resourceRoutes(core, portForwardings(core)),
    ...resourceRoutes(core, rbacPolicies(core)),
    ...routerActions(core),
    ...addressGroupActions(core),
    ...subnetPoolActions(core),
    ...trunkActions(core),
    ...qosRoutes(core),
    ...quotaRoutes(core),
    ...situationRoutes(core),
    ...topologyRoutes(core),
    ...absentRoutes(),
  ];
}

export function networkService(core: NetworkCore, authenticate: Authenticate): MountableService {
  return apiService<Caller>({
    name: 'network',
    dialect: {
      failures: networkFailures,
      body: ({ message, code }) => ({
        NeutronError: { type: exceptionNameOf(code), message, detail: '' },
      }),
    },
    policy: new Policy(networkRules),
    routes: networkRoutes(core),
    headers: {},
    authenticate,
  });
}
