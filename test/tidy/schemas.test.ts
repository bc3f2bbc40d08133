/** Schemas of request bodies are compiled when a request first needs them; here all of them are. */
import { expect, test } from 'vitest';
import { compileSchema } from '../../cloud/api/index.ts';
import { identityRoutes } from '../../cloud/identity/service.ts';
import { imageApiRoutes } from '../../cloud/image/service.ts';
import { secretApiRoutes } from '../../cloud/secret/service.ts';
import { volumeApiRoutes } from '../../cloud/volume/service.ts';
import { hollow } from '../coverage/render.ts';

test('every schema of every route compiles', () => {
  const routes = [
    ...identityRoutes(hollow()),
    ...imageApiRoutes(hollow()),
    ...volumeApiRoutes(hollow()),
    ...secretApiRoutes(hollow()),
  ];
  const bodies = routes.flatMap(({ method, path, schema }) =>
    schema === undefined ? [] : [{ place: `${method} ${path}`, schema }],
  );
  expect(bodies.length).toBeGreaterThan(50);
  const broken = bodies.filter(({ schema }) => {
    try {
      compileSchema(schema)(null);
      return false;
    } catch {
      return true;
    }
  });
  expect(broken.map(({ place }) => place)).toEqual([]);
});
