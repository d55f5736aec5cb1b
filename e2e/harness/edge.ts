/** What most scenarios want of the gateway: a door of HTTP that takes every name. */
export const EDGE = `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: edge }
spec:
  selector: { istio: ingressgateway }
  servers: [{ port: { number: 8080, name: http, protocol: HTTP }, hosts: ["*"] }]
`;

/** The same, and everything that comes in goes to port 8000 of one service. */
export const edgeTo = (service: string): string => `${EDGE}---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: edge }
spec:
  hosts: ["*"]
  gateways: [edge]
  http: [{ route: [{ destination: { host: ${service}, port: { number: 8000 } } }] }]
`;
