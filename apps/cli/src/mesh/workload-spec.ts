/** What `run` and `agent` are told of a workload, from flags to values. */
import { LOCALITY_LABEL } from '@weft/contracts';
import { WeftError } from '@weft/kit';
import { pickPort, type WorkloadSpec } from '@weft/local';
import { parsePort } from './options.ts';

export interface WorkloadFlags {
  readonly service?: string;
  readonly version: string;
  readonly name?: string;
  readonly namespace: string;
  readonly port?: string;
  readonly appPort?: string;
  readonly protocol: string;
  readonly serviceAccount?: string;
  readonly label: readonly string[];
  readonly locality?: string;
}

/** @param isolated the program has the addresses of its namespace to itself: it listens where clients call. */
export async function workloadSpec(flags: WorkloadFlags, isolated: boolean): Promise<WorkloadSpec> {
  const name = flags.name ?? (flags.service === undefined ? undefined : `${flags.service}-${flags.version}`);
  if (name === undefined) throw new WeftError('WEFT_USAGE', 'a workload needs --service, or --name for a pure client');
  if (flags.port === undefined)
    throw new WeftError('WEFT_USAGE', 'a workload needs --port, the port that clients call');
  const servicePort = parsePort(flags.port, 0, '--port');
  if (servicePort === 0) throw new WeftError('WEFT_USAGE', '--port is the port that clients call: it can not be 0');
  const labels = Object.fromEntries(
    flags.label.map((text) => {
      const at = text.indexOf('=');
      if (at <= 0) throw new WeftError('WEFT_USAGE', `--label needs key=value, not "${text}"`);
      return [text.slice(0, at), text.slice(at + 1)];
    }),
  );
  const appPort = parsePort(flags.appPort, 0, '--app-port');
  return {
    name,
    namespace: flags.namespace,
    kind: 'sidecar',
    serviceAccount: flags.serviceAccount ?? flags.service ?? name,
    labels: { app: flags.service ?? name, version: flags.version, ...localityLabel(flags.locality), ...labels },
    ...(flags.service === undefined ? {} : { service: flags.service }),
    ports: [
      {
        name: flags.protocol,
        servicePort,
        appAddress: '127.0.0.1',
        appPort: appPort !== 0 ? appPort : isolated ? servicePort : await pickPort('127.0.0.1', 0, new Set()),
      },
    ],
  };
}

// What a label's value may be made of, but for the dot, which stands for the slash there.
const LOCALITY = /^[A-Za-z0-9][\w-]*(?:\/[A-Za-z0-9][\w-]*){0,2}$/;

function localityLabel(locality: string | undefined): Record<string, string> {
  if (locality === undefined) return {};
  if (!LOCALITY.test(locality))
    throw new WeftError('WEFT_USAGE', `--locality needs REGION, REGION/ZONE or REGION/ZONE/SUBZONE, not "${locality}"`);
  return { [LOCALITY_LABEL]: locality.replaceAll('/', '.') };
}
