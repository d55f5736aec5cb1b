/** Istio's YAML for tests under istiod: one namespace, services by hand, egress by explicit addresses. */

const meta = (kind: string, name: string): string => `apiVersion: networking.istio.io/v1
kind: ${kind}
metadata: { name: ${name}, namespace: default }
spec:
`;

/** @param egress its listeners, each a flow mapping; without any it has none. */
export const sidecar = (app: string, egress: readonly string[], ingress: readonly string[] = []): string =>
  `${meta('Sidecar', app)}  workloadSelector: { labels: { app: ${app} } }
${list('ingress', ingress)}${list('egress', egress)}`;

/** NAME.mesh.test:8000 over HTTP, with a host per version, and a DestinationRule with these subsets. */
export const service = (
  name: string,
  versions: Readonly<Record<string, string>>,
  subsets = '[]',
  policy = '',
): string =>
  `${serviceEntry(
    name,
    '{ number: 8000, name: http, protocol: HTTP, targetPort: 8080 }',
    Object.entries(versions).map(
      ([version, address]) => `{ address: ${address}, labels: { app: ${name}, version: ${version} } }`,
    ),
  )}---
${meta('DestinationRule', name)}  host: ${name}.mesh.test
  subsets: ${subsets}
${policy === '' ? '' : `  trafficPolicy: ${policy}\n`}`;

export const serviceEntry = (name: string, port: string, endpoints: readonly string[], more = ''): string =>
  `${meta('ServiceEntry', name)}  hosts: [${name}.mesh.test]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [${port}]
${list('endpoints', endpoints)}${more}`;

/** @param http its routes, each a flow mapping. */
export const virtualService = (name: string, http: readonly string[]): string =>
  `${meta('VirtualService', name)}  hosts: [${name}.mesh.test]
${list('http', http)}`;

const list = (field: string, items: readonly string[]): string =>
  items.length === 0 ? '' : `  ${field}:\n${items.map((item) => `  - ${item}\n`).join('')}`;

/** Any other object. */
export const object = (apiVersion: string, kind: string, name: string, spec: string): string =>
  `apiVersion: ${apiVersion}\nkind: ${kind}\nmetadata: { name: ${name}, namespace: default }\nspec: ${spec}\n`;
