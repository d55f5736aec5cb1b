/** Name servers in resolv.conf's words; the host itself when it names none. */
export function nameServers(text: string): readonly string[] {
  const found = [...text.matchAll(/^\s*nameserver\s+(\S+)/gm)].map(([, address = '']) => address);
  return found.length === 0 ? ['127.0.0.1'] : found.slice(0, 3);
}
