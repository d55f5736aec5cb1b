/** What shells do to make the hub and the pods. Pure: texts. */
import type { PodPlan } from '../mesh-link.ts';
import { HOST_ADDRESS, HUB_ADDRESS, POD_NETWORK, podMac, POD_PREFIX_LENGTH } from './address-plan.ts';

/** Where the hub takes connections for the world outside. */
export const EGRESS_PORT = 15099;
const BRIDGE = 'weft0';

const quote = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;
/** What a system may not have or not allow. */
const ifPossible = (command: string): string => `( ${command} ) > /dev/null 2>&1 || :`;

/** Bridge, its addresses, and the redirect of all that is for outside. The mesh's own namespaces have no other way out. */
export function hubScript(tool: PodPlan['tool']): string {
  return [
    'ip link set lo up',
    // Without an address of its own a bridge takes the lowest of its ports, and neighbours would remember a wrong one.
    `ip link add ${BRIDGE} address ${podMac(1)} type bridge`,
    ifPossible(`echo 1 > /proc/sys/net/ipv6/conf/${BRIDGE}/disable_ipv6`),
    `ip addr add ${HUB_ADDRESS}/${POD_PREFIX_LENGTH} dev ${BRIDGE}`,
    `ip addr add ${HOST_ADDRESS}/32 dev ${BRIDGE}`,
    `ip link set ${BRIDGE} up`,
    // What goes from pod to pod is none of these rules' business.
    ifPossible('echo 0 > /proc/sys/net/bridge/bridge-nf-call-iptables'),
    rulesCommand(tool, hubRules(tool)),
  ].join('\n');
}

function hubRules(tool: PodPlan['tool']): string {
  if (tool === 'iptables') {
    return `*nat
-A PREROUTING -p tcp -d ${HOST_ADDRESS}/32 -j REDIRECT --to-ports ${EGRESS_PORT}
-A PREROUTING -p tcp ! -d ${POD_NETWORK} -j REDIRECT --to-ports ${EGRESS_PORT}
-A OUTPUT -p tcp -d ${HOST_ADDRESS}/32 -j REDIRECT --to-ports ${EGRESS_PORT}
COMMIT
`;
  }
  return `table ip weft_hub {
  chain in { type nat hook prerouting priority dstnat;
    ip daddr ${HOST_ADDRESS} tcp dport 0-65535 redirect to :${EGRESS_PORT}
    ip daddr != ${POD_NETWORK} tcp dport 0-65535 redirect to :${EGRESS_PORT}
  }
  chain own { type nat hook output priority -100;
    ip daddr ${HOST_ADDRESS} tcp dport 0-65535 redirect to :${EGRESS_PORT}
  }
}
`;
}

/** Brings rules into force in the shell's namespace, where none of them are yet. */
export const rulesCommand = (tool: PodPlan['tool'], rules: string): string =>
  `${tool === 'iptables' ? 'iptables-restore --noflush' : 'nft -f -'} <<'END_OF_RULES'\n${rules}END_OF_RULES`;

/** In the hub: a wire to the namespace of a process. */
export const wireScript = ({ index }: PodPlan, pid: number): string =>
  [
    `ip link add weft${index} type veth peer name eth0 address ${podMac(index)} netns ${pid}`,
    ifPossible(`echo 1 > /proc/sys/net/ipv6/conf/weft${index}/disable_ipv6`),
    `ip link set weft${index} master ${BRIDGE} up`,
  ].join('\n');

export interface PodFiles {
  readonly resolvConf: string;
  readonly nsswitchConf: string | undefined;
}

/** In the pod: its address, its rules, its idea of name servers. */
export function podScript(plan: PodPlan, files: PodFiles, rules: string): string {
  const { address, prefixLength, hubAddress, redirect, tool } = plan;
  return [
    'ip link set lo up',
    // Rules are for IPv4: nobody shall go round them by link-local addresses.
    ifPossible('echo 1 > /proc/sys/net/ipv6/conf/eth0/disable_ipv6'),
    `ip addr add ${address}/${prefixLength} dev eth0`,
    'ip link set eth0 up',
    `ip route add default via ${hubAddress}`,
    ifPossible('echo 0 > /proc/sys/net/ipv4/ip_unprivileged_port_start'),
    ifPossible(`mount --bind ${quote(files.resolvConf)} /etc/resolv.conf`),
    ...(files.nsswitchConf === undefined
      ? []
      : [ifPossible(`mount --bind ${quote(files.nsswitchConf)} /etc/nsswitch.conf`)]),
    // A daemon that caches names would ask the host's name servers.
    ifPossible('[ -S /run/nscd/socket ] && mount --bind /dev/null /run/nscd/socket'),
    ...(redirect ? [rulesCommand(tool, rules)] : []),
  ].join('\n');
}

/** @param nameServer nobody is there in a pod with rules: they lead to the sidecar. */
export const resolvConf = (namespace: string, nameServer: string): string =>
  `# A pod of a Weft mesh: its sidecar answers.
nameserver ${nameServer}
search ${namespace}.svc.cluster.local svc.cluster.local cluster.local
options ndots:5
`;

/** Names come from files and DNS, whatever else the host asks. @returns undefined when it does so anyway. */
export function nsswitchConf(host: string): string | undefined {
  const line = /^hosts:.*$/m;
  const plain = 'hosts: files dns';
  const found = line.exec(host)?.[0];
  if (found === undefined || found.trim().split(/\s+/).join(' ') === plain) return undefined;
  return host.replace(line, plain);
}
