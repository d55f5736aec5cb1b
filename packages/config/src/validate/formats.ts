/** Checks of a text by the format its field names. */
import type { Format } from '@weft/contracts/config';
import { RE2JS } from 're2js';
import type { ProblemCode, Severity } from '../problems.ts';
import { durationMs } from './duration.ts';
import { hostForm, isCidr, isDnsLabel, isDnsName, isIpAddress } from './hosts.ts';

export interface FormatFault {
  readonly code: ProblemCode;
  readonly severity?: Severity;
  readonly message: string;
  readonly fix?: string;
}

type Check = (text: string) => FormatFault | undefined;

const DURATION_FIX = 'Write a number with a unit: 500ms, 1.5s, 10m, 1h10m.';
const HOST_FIX = 'Write a name (reviews, reviews.default.svc.cluster.local) or a wildcard (*.example.com).';

function duration(text: string, zeroAllowed: boolean): FormatFault | undefined {
  const ms = durationMs(text);
  if (ms === undefined) return { code: 'W0016', message: `"${shown(text)}" is not a duration`, fix: DURATION_FIX };
  if (ms === 0 && zeroAllowed) return undefined;
  if (ms < 1)
    return {
      code: 'W0016',
      message: `the duration "${shown(text)}" is shorter than 1ms`,
      fix: 'Leave the field out for "no limit".',
    };
  if (!Number.isInteger(ms))
    return { code: 'W0016', message: `the duration "${shown(text)}" is finer than 1ms`, fix: DURATION_FIX };
  return undefined;
}

function regex(text: string): FormatFault | undefined {
  if (text === '') return { code: 'W0017', message: 'the regular expression is empty' };
  try {
    RE2JS.compile(text);
    return undefined;
  } catch (error) {
    const reason = error instanceof Error ? error.message.replace(/^error parsing regexp: /, '') : 'unknown reason';
    return {
      code: 'W0017',
      message: `the regular expression does not compile: ${reason}`,
      fix: 'Use RE2 syntax: no look-around and no back-references.',
    };
  }
}

const badHost = (text: string, why = 'is not a host name'): FormatFault => ({
  code: 'W0018',
  message: `"${shown(text)}" ${why}`,
  fix: HOST_FIX,
});

function host(text: string): FormatFault | undefined {
  switch (hostForm(text)) {
    case 'bad':
      return badHost(text);
    case 'partial-wildcard':
      return badHost(text, 'has a wildcard that is not a whole label');
    case 'any':
    case 'wildcard':
    case 'name':
    case 'ip':
      return undefined;
  }
}

function serviceHost(text: string): FormatFault | undefined {
  const form = hostForm(text);
  if (form === 'any')
    return {
      code: 'W0018',
      message: '"*" can not be the host of a service entry',
      fix: 'Name a domain: *.example.com.',
    };
  if (form === 'bad') return badHost(text);
  if (form === 'partial-wildcard')
    return { ...badHost(text, 'has a wildcard that is not a whole label'), severity: 'warning' };
  return undefined;
}

function destinationHost(text: string): FormatFault | undefined {
  const form = hostForm(text);
  if (form === 'any') return badHost(text, 'names no single service');
  return form === 'bad' || form === 'partial-wildcard' ? badHost(text) : undefined;
}

/** `[namespace/]host`, where the namespace is a name, `*` or `.`. */
function gatewayHost(text: string): FormatFault | undefined {
  const [namespace, name] = text.includes('/') ? split(text) : ['*', text];
  if (namespace !== '*' && namespace !== '.' && !isDnsLabel(namespace))
    return badHost(text, `begins with "${shown(namespace)}", which is no namespace`);
  const form = hostForm(name);
  if (form === 'bad' || form === 'partial-wildcard' || form === 'ip') return badHost(text);
  if (form === 'name' && !name.includes('.'))
    return badHost(text, 'is a short name; a gateway needs the name that clients use');
  return undefined;
}

/** `namespace/host`, where the namespace is a name, `*`, `.` or `~` (none). */
function egressHost(text: string): FormatFault | undefined {
  if (!text.includes('/')) {
    return {
      code: 'W0018',
      message: `"${shown(text)}" is not of the form namespace/host`,
      fix: `Write ./${shown(text)} for this namespace or */${shown(text)} for all.`,
    };
  }
  const [namespace, name] = split(text);
  const plain = namespace.startsWith('~') && namespace.length > 1 ? namespace.slice(1) : namespace;
  if (!['*', '.', '~'].includes(plain) && !isDnsLabel(plain))
    return badHost(text, `begins with "${shown(namespace)}", which is no namespace`);
  const form = hostForm(name);
  return form === 'bad' || form === 'partial-wildcard' ? badHost(text) : undefined;
}

function gatewayRef(text: string): FormatFault | undefined {
  if (text === 'mesh') return undefined;
  const [namespace, name] = text.includes('/') ? split(text) : ['.', text];
  const goodNamespace = namespace === '.' || isDnsLabel(namespace);
  if (goodNamespace && isDnsName(name)) return undefined;
  return {
    code: 'W0020',
    message: `"${shown(text)}" names no gateway`,
    fix: 'Write mesh, a gateway’s name, or namespace/name.',
  };
}

const exportTo: Check = (text) =>
  text === '*' || text === '.' || text === '~' || isDnsLabel(text)
    ? undefined
    : {
        code: 'W0022',
        message: `"${shown(text)}" is no namespace`,
        fix: 'Write "*" for all, "." for this namespace, or a namespace’s name.',
      };

const address =
  (check: (text: string) => boolean, what: string): Check =>
  (text) =>
    check(text) ? undefined : { code: 'W0019', message: `"${shown(text)}" is not ${what}` };

const base64: Check = (text) =>
  /^(?:[A-Za-z0-9+/_-]{4})*(?:[A-Za-z0-9+/_-]{2}(?:==)?|[A-Za-z0-9+/_-]{3}=?)?$/.test(text)
    ? undefined
    : { code: 'W0013', message: 'the value is not base64' };

const nothing: Check = () => undefined;

export const FORMATS: Readonly<Record<Format, Check>> = {
  duration: (text) => duration(text, false),
  'duration-or-zero': (text) => duration(text, true),
  regex,
  'regex-or-star': (text) => (text === '*' ? undefined : regex(text)),
  host,
  'service-host': serviceHost,
  'short-or-dns-host': destinationHost,
  'gateway-host': gatewayHost,
  'egress-host': egressHost,
  'gateway-ref': gatewayRef,
  'dns-label': (text) =>
    isDnsLabel(text)
      ? undefined
      : {
          code: 'W0020',
          message: `"${shown(text)}" is not a name`,
          fix: 'Use lower-case letters, digits and hyphens, at most 63.',
        },
  'export-to': exportTo,
  cidr: address(isCidr, 'an address or a range such as 10.0.0.0/8'),
  ip: address(isIpAddress, 'an IP address'),
  base64,
  'port-number': nothing,
  percent: nothing,
  expression: nothing,
};

/** Bounded, so that a hostile value does not fill a message. */
export const shown = (text: string): string => (text.length > 80 ? `${text.slice(0, 77)}...` : text);

function split(text: string): [string, string] {
  const at = text.indexOf('/');
  return [text.slice(0, at), text.slice(at + 1)];
}
