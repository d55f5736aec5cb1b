/** What most scenarios want of the gateway: a door of HTTP that takes every name. */
export const EDGE = `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: edge }
spec:
  selector: { istio: ingressgateway }
  servers: [{ port: { number: 8080, name: http, protocol: HTTP }, hosts: ["*"] }]
`;

/** Where what comes in goes. @param routes of a VirtualService, in order, each in YAML's short form. */
export const edgeRoutes = (...routes: readonly string[]): string => `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: edge }
spec:
  hosts: ["*"]
  gateways: [edge]
  http:
${routes.map((route) => `    - ${route}`).join('\n')}
`;

/** The route to a port of one service. @param prefix of the paths that go there; empty = all. */
export const routeTo = (service: string, port: number, prefix = ''): string => {
  const match = prefix === '' ? '' : `match: [{ uri: { prefix: ${prefix} } }], `;
  return `{ ${match}route: [{ destination: { host: ${service}, port: { number: ${port} } } }] }`;
};

/** The door, and everything that comes in goes to port 8000 of one service. */
export const edgeTo = (service: string): string => `${EDGE}---${edgeRoutes(routeTo(service, 8000))}`;
