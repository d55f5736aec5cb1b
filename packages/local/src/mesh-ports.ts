/** Ports of the mesh on the host. Those that users type must be the ones they know: taken means refused. The others may move. */
import { PORTS } from '@weft/contracts';
import { WeftError } from '@weft/kit';
import { pickPort, tryPort } from './port-picker.ts';

export interface MeshPorts {
  readonly xds: number;
  readonly ca: number;
  readonly monitoring: number;
  readonly console: number;
  readonly gateway: number;
}

export interface PortWishes {
  /** For ports that nobody types: those that are documented, or any free ones. */
  readonly ports: 'fixed' | 'auto';
  /** 0 takes a free one. */
  readonly gatewayPort: number;
  readonly consolePort: number;
}

export const HOST = '127.0.0.1';

/** What browsers and commands call. @throws {WeftError} WEFT_PORT_TAKEN with the flag that mends it. */
export async function chooseHostPorts(
  wishes: PortWishes,
  taken: Set<string>,
): Promise<Pick<MeshPorts, 'gateway' | 'console' | 'monitoring'>> {
  const firm = async (port: number, what: string, flag: string): Promise<number> => {
    if (port === 0) return pickPort(HOST, 0, taken);
    if ((await tryPort(HOST, port)) !== undefined) return port;
    throw new WeftError(
      'WEFT_PORT_TAKEN',
      `port ${port} on ${HOST}, wanted for the ${what}, is in use by another program`,
      {
        fix: `stop that program, or choose another port with ${flag} N (0 takes any free one)`,
      },
    );
  };
  return {
    gateway: await firm(wishes.gatewayPort, 'gateway', '--gateway-port'),
    console: await firm(wishes.consolePort, 'console', '--console-port'),
    monitoring: await flexible(wishes, PORTS.monitoring.port, taken),
  };
}

/** All of the loopback form. */
export async function chooseLoopbackPorts(wishes: PortWishes): Promise<MeshPorts> {
  const taken = new Set<string>();
  return {
    ...(await chooseHostPorts(wishes, taken)),
    xds: await flexible(wishes, PORTS.xds.port, taken),
    ca: await flexible(wishes, PORTS.ca.port, taken),
  };
}

const flexible = (wishes: PortWishes, port: number, taken: Set<string>): Promise<number> =>
  pickPort(HOST, wishes.ports === 'auto' ? 0 : port, taken);
