import type { Static } from 'typebox';
import { destination, exportTo, headers, percent, presenceMatch, stringMatch } from './common.ts';
import { bool, choice, duration, int32, list, map, message, opt, regex, text, uint32 } from './meta.ts';

const httpMatch = message({
  name: opt(text()),
  uri: opt(stringMatch({ test: 'TR-03' })),
  scheme: opt(stringMatch({ test: 'TR-03' })),
  method: opt(stringMatch({ test: 'TR-03' })),
  authority: opt(stringMatch({ test: 'TR-03' })),
  headers: opt(map(presenceMatch(), { test: 'TR-03' })),
  withoutHeaders: opt(map(presenceMatch(), { since: '1.6', test: 'TR-03' })),
  queryParams: opt(map(presenceMatch(), { test: 'TR-03' })),
  ignoreUriCase: opt(bool({ default: false, test: 'TR-03' })),
  port: opt(uint32({ format: 'port-number', max: 65_535, test: 'TR-03' })),
  sourceLabels: opt(map(text(), { test: 'TR-03' })),
  sourceNamespace: opt(text({ since: '1.6', test: 'TR-03' })),
  gateways: opt(list(text({ format: 'gateway-ref' }))),
  statPrefix: opt(
    text({ since: '1.15', effect: 'not-yet', reason: 'names statistics that are not kept per route yet' }),
  ),
});

const retries = message({
  attempts: opt(int32({ min: 0, default: 2, test: 'RE-02' })),
  perTryTimeout: opt(duration({ test: 'RE-02' })),
  retryOn: opt(text({ default: 'connect-failure,refused-stream,unavailable,cancelled', test: 'RE-02' })),
  retryRemoteLocalities: opt(bool({ since: '1.6', default: false, test: 'RE-02' })),
  retryIgnorePreviousHosts: opt(bool({ since: '1.26', default: true })),
  backoff: opt(duration({ since: '1.26', default: '25ms' })),
});

const fault = message(
  {
    delay: opt(
      message(
        {
          fixedDelay: opt(duration({ oneof: 'http_delay_type' })),
          exponentialDelay: opt(
            duration({
              oneof: 'http_delay_type',
              effect: 'refused',
              reason: 'was never built in Istio',
              mend: 'Use fixedDelay.',
            }),
          ),
          percentage: opt(percent()),
          percent: opt(
            int32({ min: 0, max: 100, deprecated: 'percentage.value', effect: 'not-yet', reason: 'is deprecated' }),
          ),
        },
        { requiredOneofs: ['http_delay_type'] },
      ),
    ),
    abort: opt(
      message({
        httpStatus: opt(int32({ oneof: 'error_type', min: 200, max: 599 })),
        grpcStatus: opt(text({ oneof: 'error_type', test: 'RE-04' })),
        http2Error: opt(
          text({
            oneof: 'error_type',
            effect: 'refused',
            reason: 'was never built in Istio',
            mend: 'Use httpStatus or grpcStatus.',
          }),
        ),
        percentage: opt(percent()),
      }),
    ),
  },
  { test: 'RE-04' },
);

const redirect = message(
  {
    uri: opt(text()),
    prefixRewrite: opt(text({ since: '1.31' })),
    authority: opt(text()),
    scheme: opt(text({ since: '1.12' })),
    port: opt(uint32({ since: '1.12', format: 'port-number', max: 65_535, oneof: 'redirect_port' })),
    derivePort: opt(choice(['FROM_PROTOCOL_DEFAULT', 'FROM_REQUEST_PORT'], { since: '1.12', oneof: 'redirect_port' })),
    redirectCode: opt(uint32({ default: 301 })),
  },
  { test: 'TR-06' },
);

const corsPolicy = message(
  {
    allowOrigins: opt(list(stringMatch(), { since: '1.5' })),
    allowOrigin: opt(list(text(), { deprecated: 'allowOrigins', effect: 'not-yet', reason: 'is deprecated' })),
    allowMethods: opt(list(text())),
    allowHeaders: opt(list(text())),
    exposeHeaders: opt(list(text())),
    maxAge: opt(duration()),
    allowCredentials: opt(bool()),
    unmatchedPreflights: opt(choice(['UNSPECIFIED', 'FORWARD', 'IGNORE'], { since: '1.23', default: 'FORWARD' })),
  },
  { test: 'TR-08' },
);

const httpRoute = message({
  name: opt(text()),
  match: opt(list(httpMatch)),
  route: opt(
    list(
      message({
        destination: destination({ test: 'TR-02' }),
        weight: opt(int32({ min: 0, default: 0, test: 'TR-04' })),
        headers: opt(headers({ test: 'TR-05' })),
      }),
    ),
  ),
  redirect: opt(redirect),
  directResponse: opt(
    message(
      {
        status: uint32({ min: 200, max: 599 }),
        body: opt(
          message(
            { string: opt(text({ oneof: 'specifier' })), bytes: opt(text({ oneof: 'specifier', format: 'base64' })) },
            { requiredOneofs: ['specifier'] },
          ),
        ),
      },
      { since: '1.15', test: 'TR-06' },
    ),
  ),
  delegate: opt(
    message(
      { name: opt(text()), namespace: opt(text()) },
      {
        since: '1.6',
        effect: 'refused',
        reason: 'is not merged yet, so its requests would fall through to a later route',
        mend: 'Write the delegate’s routes into this VirtualService.',
      },
    ),
  ),
  rewrite: opt(
    message(
      {
        uri: opt(text()),
        authority: opt(text()),
        uriRegexRewrite: opt(message({ match: opt(regex()), rewrite: opt(text()) }, { since: '1.19' })),
      },
      { test: 'TR-06' },
    ),
  ),
  timeout: opt(duration({ test: 'RE-01' })),
  retries: opt(retries),
  fault: opt(fault),
  mirror: opt(destination({ test: 'TR-09' })),
  mirrorPercentage: opt(percent({ test: 'TR-09' })),
  mirrorPercent: opt(
    uint32({ max: 100, deprecated: 'mirrorPercentage.value', effect: 'not-yet', reason: 'is deprecated' }),
  ),
  mirrors: opt(
    list(message({ destination: destination(), percentage: opt(percent()) }), { since: '1.19', test: 'TR-09' }),
  ),
  corsPolicy: opt(corsPolicy),
  headers: opt(headers({ test: 'TR-05' })),
});

const l4Match = {
  destinationSubnets: opt(list(text({ format: 'cidr' }), { test: 'TR-10' })),
  port: opt(uint32({ format: 'port-number', max: 65_535 })),
  sourceLabels: opt(map(text())),
  sourceNamespace: opt(text()),
  gateways: opt(list(text({ format: 'gateway-ref' }))),
} as const;

const l4Route = opt(list(message({ destination: destination(), weight: opt(int32({ min: 0 })) }), { minItems: 1 }));

export const VirtualServiceSpec = message({
  hosts: opt(list(text({ format: 'host' }))),
  gateways: opt(list(text({ format: 'gateway-ref' }), { default: ['mesh'] })),
  http: opt(list(httpRoute)),
  tls: opt(
    list(
      message({
        match: list(message({ sniHosts: list(text({ format: 'host' }), { minItems: 1 }), ...l4Match }), {
          minItems: 1,
        }),
        route: l4Route,
      }),
      { test: 'TR-10' },
    ),
  ),
  tcp: opt(
    list(
      message({
        match: opt(list(message({ ...l4Match, sourceSubnet: opt(text({ effect: 'ignored' })) }))),
        route: l4Route,
      }),
    ),
  ),
  exportTo: exportTo(),
});

/** Routing rules for hosts, applied where the request leaves: at the caller’s sidecar or at a gateway. */
export type VirtualServiceSpec = Static<typeof VirtualServiceSpec>;
export type HttpRoute = NonNullable<VirtualServiceSpec['http']>[number];
export type HttpMatchRequest = NonNullable<HttpRoute['match']>[number];
export type HttpRouteDestination = NonNullable<HttpRoute['route']>[number];
export type Destination = HttpRouteDestination['destination'];
export type HttpRetry = NonNullable<HttpRoute['retries']>;
export type HttpFaultInjection = NonNullable<HttpRoute['fault']>;
export type CorsPolicy = NonNullable<HttpRoute['corsPolicy']>;
export type StringMatch = NonNullable<HttpMatchRequest['uri']>;
export type HeaderOperations = NonNullable<NonNullable<HttpRoute['headers']>['request']>;
