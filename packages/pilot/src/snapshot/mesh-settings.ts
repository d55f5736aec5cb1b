import type { MeshConfigSpec } from '../config-store/kinds.ts';
import { durationMs } from '../model/duration.ts';
import type { MeshOptions } from '../options.ts';

/** What the mesh was started with, and over it what its MeshConfig object says. Pure. */
export function withSettings(started: MeshOptions, settings: MeshConfigSpec | undefined): MeshOptions {
  if (settings === undefined) return started;
  const { accessLogFile, accessLogEncoding, accessLogFormat, connectTimeout, outboundTrafficPolicy } = settings;
  const { numTrustedProxies, forwardClientCertDetails, proxyProtocol } = settings.defaultConfig?.gatewayTopology ?? {};
  const former = started.gatewayTopology;
  // A format is of its encoding, so the two go together.
  const encoding = accessLogEncoding ?? (accessLogFormat === undefined ? started.accessLogEncoding : 'TEXT');
  return {
    ...started,
    accessLogFile: accessLogFile ?? started.accessLogFile,
    accessLogEncoding: encoding,
    accessLogFormat: accessLogFormat ?? (encoding === started.accessLogEncoding ? started.accessLogFormat : ''),
    connectTimeoutMs:
      (connectTimeout === undefined ? undefined : durationMs(connectTimeout)) ?? started.connectTimeoutMs,
    outboundTrafficPolicy: { mode: outboundTrafficPolicy?.mode ?? started.outboundTrafficPolicy.mode },
    gatewayTopology: {
      numTrustedProxies: numTrustedProxies ?? former.numTrustedProxies,
      forwardClientCertDetails:
        forwardClientCertDetails === undefined || forwardClientCertDetails === 'UNDEFINED'
          ? former.forwardClientCertDetails
          : forwardClientCertDetails,
      proxyProtocol: proxyProtocol !== undefined || former.proxyProtocol,
    },
  };
}
