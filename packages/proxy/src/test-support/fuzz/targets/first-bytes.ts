// What a listener sees first of a connection: a ClientHello, or anything else.
import { type FirstBytes, inspect } from '../../../listeners/first-bytes.ts';
import { type FuzzTarget, must, mustEqual } from '../fuzz-target.ts';
import { randomOf } from '../pieces.ts';

const MAX_BYTES = 2048;

const checked = (name: string, dictionary: readonly Buffer[]): FuzzTarget => ({
  name,
  maxBytes: MAX_BYTES,
  dictionary,
  run(input) {
    const random = randomOf(input);
    const http = random.int(4) > 0;
    const whole = inspect(input, http);
    const verdict = JSON.stringify(whole);
    const step = input.length < 40 ? 1 : 1 + random.int(input.length);
    for (let end = random.int(step); end < input.length; end += step) {
      const part = inspect(input.subarray(0, end), http);
      if (part !== 'more') mustEqual(JSON.stringify(part), verdict, `${end} bytes tell`);
    }
    if (whole !== 'more') check(whole, input.length);
    return whole === 'more'
      ? whole
      : `${whole.transport} ${whole.serverName.length} ${whole.applicationProtocols.length}`;
  },
});

function check({ transport, serverName, applicationProtocols }: FirstBytes, length: number): void {
  must(serverName === serverName.toLowerCase() && serverName.length <= 255, 'a server name that is none');
  must(!/[^\x21-\x7e]/.test(serverName), 'a server name with octets that no name has');
  must(transport === 'tls' || serverName === '', 'a server name without TLS');
  const octets = applicationProtocols.reduce((sum, one) => sum + one.length + 1, 0);
  must(octets <= length + applicationProtocols.length, 'more ALPN names than bytes');
}

const latin1 = (texts: readonly string[]): Buffer[] => texts.map((text) => Buffer.from(text, 'latin1'));

export const clientHello = (): FuzzTarget =>
  checked(
    'client-hello',
    latin1(['\x16\x03\x01', '\x16\x03\x03\0\x01', '\x01\0\0', '\0\0', '\0\x10', '\0\0\0\x05\0\x03\0\0\0', '\0\x10\0\x05\0\x03\x02h2', '\x02h2', '\x08http/1.1', 'istio', 'a.b', '\xff\xff', '\0\x01', '\x15\x03\x01\0\x02']), // prettier-ignore
  );

export const firstBytes = (): FuzzTarget =>
  checked(
    'first-bytes',
    latin1(['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'GET / HTTP/1.1\r\n', ' HTTP/1.0\n', 'HTTP/1.2', '\r\n', '\n', ' ', '\x16\x03\x01', 'PRI', 'SSH-2.0', '\0']), // prettier-ignore
  );
