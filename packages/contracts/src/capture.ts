/** What redirect rules, listeners and clusters agree on where a workload's connections are redirected to its sidecar. */

/** The listeners that redirected connections arrive at. */
export const VIRTUAL_OUTBOUND = 'virtualOutbound';
export const VIRTUAL_INBOUND = 'virtualInbound';
export const OUTBOUND_CAPTURE_PORT = 15_001;
export const INBOUND_CAPTURE_PORT = 15_006;
/** The sidecar calls its application from here, which the rules leave alone. */
export const INBOUND_SOURCE_ADDRESS = '127.0.0.6';
/** Questions to name servers are redirected here, UDP and TCP. */
export const DNS_CAPTURE_PORT = 15_053;
/** Packet mark of a proxy's own sockets, where rules can not tell it by its user. */
export const PROXY_MARK = 1337;
