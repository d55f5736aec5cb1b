/** One JSON value → one validated object, or the reasons why not. */
import {
  apiVersionOf,
  isKindName,
  KIND_NAMES,
  kindInfo,
  UNSUPPORTED_KINDS,
  type ConfigObject,
  type KindName,
} from '@weft/contracts/config';
import { isRecord } from '../source/yaml-values.ts';
import { fail, warn, type Report } from './finding.ts';
import { shown } from './formats.ts';
import { checkAnnotations, readMetadata } from './metadata.ts';
import { nearest } from './names.ts';
import { RULES, type RuleContext } from './rules/index.ts';
import { walk } from './walk.ts';

export interface ValidateOptions {
  /** Default `default`. */
  readonly defaultNamespace?: string;
}

export interface Validated {
  /** Undefined when there is an error, or the kind is skipped. */
  readonly object: ConfigObject | undefined;
  /** `kind/namespace/name` or as much of it as is known, for messages. */
  readonly label: string;
}

/** Never throws. Reports every problem found; paths begin at the object. */
export function validateObject(value: unknown, report: Report, options: ValidateOptions = {}): Validated {
  let failed = false;
  const note: Report = (finding) => {
    if (finding.severity === 'error') failed = true;
    report(finding);
  };
  const none = (label = ''): Validated => ({ object: undefined, label });
  if (!isRecord(value)) {
    fail(note)('W0004', [], 'the document is not an object', 'It needs apiVersion, kind, metadata and spec.');
    return none();
  }
  const kind = readKind(value, note);
  if (kind === undefined) return none();
  for (const key of Object.keys(value)) {
    if (['apiVersion', 'kind', 'metadata', 'spec', 'status'].includes(key)) continue;
    const guess = nearest(key, ['metadata', 'spec', 'status']);
    note({
      code: 'W0010',
      istioCode: 'IST0106',
      severity: 'error',
      path: [key],
      at: 'key',
      message: `the field "${shown(key)}" is unknown`,
      fix: guess === undefined ? 'Settings belong under spec.' : `Did you mean ${guess}?`,
    });
  }
  const info = kindInfo(kind);
  const metadata = readMetadata(
    value['metadata'],
    { defaultNamespace: options.defaultNamespace ?? 'default', namespaced: info.namespaced },
    note,
  );
  const label = metadata === undefined ? kind : `${kind}/${metadata.namespace}/${metadata.name}`;
  let misspelt = false;
  const { value: spec, shapeOk } = walk(info.spec, value['spec'] ?? {}, ['spec'], (finding) => {
    if (finding.code === 'W0010') misspelt = true;
    note(finding);
  });
  if (metadata === undefined) return none(label);
  checkAnnotations(kind, metadata.annotations, note);
  if (shapeOk) {
    // What seems to be missing is most likely what was misspelt.
    const aboutWhole: Report = (finding) => {
      if (!misspelt || (finding.code !== 'W0012' && finding.code !== 'W0015')) note(finding);
    };
    const context: RuleContext = { ...metadata, report: aboutWhole, fail: fail(aboutWhole), warn: warn(aboutWhole) };
    // The walk above has made the value fit the kind’s schema.
    (RULES[kind] as ((spec: unknown, context: RuleContext) => void) | undefined)?.(spec, context);
  }
  if (failed) return none(label);
  const object = { apiVersion: String(value['apiVersion']), kind, metadata, spec } as ConfigObject;
  return { object: deepFreeze(object), label };
}

function readKind(value: Readonly<Record<string, unknown>>, note: Report): KindName | undefined {
  const error = fail(note);
  const { apiVersion, kind } = value;
  if (typeof apiVersion !== 'string' || apiVersion === '') {
    const fix = misspelling(value, 'apiVersion') ?? 'For example apiVersion: networking.istio.io/v1.';
    error('W0004', ['apiVersion'], 'apiVersion is missing', fix);
    return undefined;
  }
  if (typeof kind !== 'string' || kind === '') {
    error('W0004', ['kind'], 'kind is missing', misspelling(value, 'kind') ?? 'For example kind: VirtualService.');
    return undefined;
  }
  const slash = apiVersion.lastIndexOf('/');
  const [group, version] = slash === -1 ? ['', apiVersion] : [apiVersion.slice(0, slash), apiVersion.slice(slash + 1)];
  if (isKindName(kind) && kindInfo(kind).group === group) {
    if (kindInfo(kind).versions.includes(version)) return kind;
    error(
      'W0006',
      ['apiVersion'],
      `${kind} is not served as ${shown(apiVersion)}`,
      `Use ${kindInfo(kind)
        .versions.map((known) => (group === '' ? known : `${group}/${known}`))
        .join(' or ')}.`,
    );
    return undefined;
  }
  const known = UNSUPPORTED_KINDS[`${group}/${kind}`] ?? UNSUPPORTED_KINDS[`${group}/*`];
  if (known !== undefined) {
    note({
      code: 'W0007',
      severity: known.verdict === 'refused' ? 'error' : 'warning',
      path: ['kind'],
      message:
        known.verdict === 'refused' ? `${shown(kind)} of ${shown(group)} is refused` : `${shown(kind)} is skipped`,
      fix: known.message,
    });
    return undefined;
  }
  if (isKindName(kind)) {
    error(
      'W0005',
      ['apiVersion'],
      `${kind} does not belong to "${shown(group)}"`,
      `Use apiVersion: ${apiVersionOf(kind)}.`,
    );
    return undefined;
  }
  if (kind.endsWith('List')) {
    error('W0005', ['kind'], `a ${shown(kind)} needs items`, 'Put the objects below items, each with "- " before it.');
    return undefined;
  }
  const near =
    nearest(
      kind,
      KIND_NAMES.filter((name) => kindInfo(name).group === group),
    ) ?? nearest(kind, KIND_NAMES);
  const guess = near !== undefined && isKindName(near) ? near : undefined;
  error(
    'W0005',
    ['kind'],
    `the kind "${shown(kind)}" of ${shown(apiVersion)} is unknown`,
    guess === undefined ? undefined : `Did you mean ${guess} (${apiVersionOf(guess)})?`,
  );
  return undefined;
}

const BYTE_ORDER_MARK = '\ufeff';

/** What stands there instead of the key, where that is clear. */
function misspelling(value: Readonly<Record<string, unknown>>, wanted: string): string | undefined {
  for (const key of Object.keys(value)) {
    if (key === BYTE_ORDER_MARK + wanted)
      return `Remove the byte order mark before ${wanted}: it may stand at the beginning of the file only.`;
    if (key.toLowerCase() === wanted.toLowerCase() && key !== wanted) return `Write ${wanted}, not ${shown(key)}.`;
  }
  return undefined;
}

function deepFreeze<Value>(value: Value): Value {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  for (const item of Object.values(value)) deepFreeze(item);
  return Object.freeze(value);
}
