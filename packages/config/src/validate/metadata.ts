/** `metadata` of an object: names, namespaces, labels, annotations. */
import type { KindName, ObjectMeta } from '@weft/contracts/config';
import type { Path } from '../source/locate.ts';
import { isRecord } from '../source/yaml-values.ts';
import { fail, type Report } from './finding.ts';
import { shown } from './formats.ts';
import { isDnsLabel, isObjectName } from './hosts.ts';
import { nearest } from './names.ts';
import { QUOTE_WORDS } from './walk.ts';

export interface MetadataOptions {
  /** For namespaced objects that name none. */
  readonly defaultNamespace: string;
  readonly namespaced: boolean;
}

const KNOWN = ['name', 'namespace', 'labels', 'annotations'];
/** Kept by a server; what `kubectl get -o yaml` prints is accepted, and only the age is used. */
const SERVER = [
  'creationTimestamp',
  'deletionTimestamp',
  'deletionGracePeriodSeconds',
  'finalizers',
  'generation',
  'managedFields',
  'ownerReferences',
  'resourceVersion',
  'selfLink',
  'uid',
];

const LABEL_VALUE = /^(?:[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?$/;
const LABEL_NAME = /^[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$/;

/** @returns undefined when the object can not be told by it. */
export function readMetadata(value: unknown, options: MetadataOptions, report: Report): ObjectMeta | undefined {
  const error = fail(report);
  const at: Path = ['metadata'];
  if (!isRecord(value)) {
    error('W0008', isRecord(value) ? at : [], 'metadata.name is missing', 'Add metadata: {name: …}.');
    return undefined;
  }
  for (const key of Object.keys(value)) {
    if (KNOWN.includes(key) || SERVER.includes(key)) continue;
    const guess = key === 'generateName' ? 'name' : nearest(key, KNOWN);
    report({
      code: 'W0010',
      severity: 'error',
      path: [...at, key],
      at: 'key',
      message: `the field "${shown(key)}" is unknown`,
      fix: guess === undefined ? `Known here: ${KNOWN.join(', ')}.` : `Did you mean ${guess}?`,
    });
  }
  const name = textOf(value['name'], [...at, 'name'], error);
  if (name === undefined) {
    if (value['name'] === undefined || value['name'] === null) error('W0008', at, 'metadata.name is missing');
    return undefined;
  }
  if (!isObjectName(name)) {
    error(
      'W0020',
      [...at, 'name'],
      `"${shown(name)}" is not a name`,
      'Use lower-case letters, digits, hyphens and dots, at most 253.',
    );
    return undefined;
  }
  const namespace = readNamespace(value['namespace'], options, error);
  if (namespace === undefined) return undefined;
  const created = value['creationTimestamp'];
  return {
    name,
    namespace,
    labels: readMap(value['labels'], [...at, 'labels'], error, true),
    annotations: readMap(value['annotations'], [...at, 'annotations'], error, false),
    ...(typeof created === 'string' && !Number.isNaN(Date.parse(created))
      ? { creationTimestamp: new Date(created).toISOString() }
      : {}),
  };
}

type ErrorReport = ReturnType<typeof fail>;

function readNamespace(value: unknown, options: MetadataOptions, error: ErrorReport): string | undefined {
  if (!options.namespaced) return '';
  if (value === undefined || value === null || value === '') return options.defaultNamespace;
  const namespace = textOf(value, ['metadata', 'namespace'], error);
  if (namespace === undefined) return undefined;
  if (isDnsLabel(namespace)) return namespace;
  error(
    'W0020',
    ['metadata', 'namespace'],
    `"${shown(namespace)}" is not a namespace’s name`,
    'Use lower-case letters, digits and hyphens, at most 63.',
  );
  return undefined;
}

function readMap(value: unknown, path: Path, error: ErrorReport, labels: boolean): Record<string, string> {
  const result: Record<string, string> = {};
  if (value === undefined || value === null) return result;
  if (!isRecord(value)) {
    error('W0011', path, 'expected an object');
    return result;
  }
  for (const [key, item] of Object.entries(value)) {
    const where = [...path, key];
    const text = textOf(item, where, error);
    if (text === undefined) {
      if (item === null) error('W0011', where, 'expected text, found nothing', 'Write "" for an empty text.');
      continue;
    }
    const [prefix, name = ''] = key.includes('/')
      ? [key.slice(0, key.indexOf('/')), key.slice(key.indexOf('/') + 1)]
      : [undefined, key];
    if (!LABEL_NAME.test(name) || (prefix !== undefined && !isObjectName(prefix.toLowerCase()))) {
      error(
        'W0020',
        where,
        `"${shown(key)}" is not a ${labels ? 'label' : 'n annotation'} name`.replace('a n ', 'an '),
      );
      continue;
    }
    if (labels && !LABEL_VALUE.test(text))
      error(
        'W0020',
        where,
        `"${shown(text)}" is not a label value`,
        'Use letters, digits, and - _ . inside, at most 63.',
      );
    if (!['constructor', 'prototype', '__proto__'].includes(key)) result[key] = text;
  }
  return result;
}

function textOf(value: unknown, path: Path, error: ErrorReport): string | undefined {
  if (typeof value === 'string') return value;
  if (value !== undefined && value !== null) error('W0011', path, 'expected text', quoteFix(value));
  return undefined;
}

const DRY_RUN = 'istio.io/dry-run';

/** Annotations that would change what a policy does. */
export function checkAnnotations(kind: KindName, annotations: Readonly<Record<string, string>>, report: Report): void {
  if (annotations[DRY_RUN] === undefined || annotations[DRY_RUN] === 'false') return;
  const message =
    kind === 'AuthorizationPolicy'
      ? 'a dry run is not made yet: the policy would be enforced'
      : `has no meaning on ${kind}`;
  const code = kind === 'AuthorizationPolicy' ? 'W0030' : 'W0008';
  report({
    code,
    severity: 'error',
    path: ['metadata', 'annotations', DRY_RUN],
    at: 'key',
    message,
    fix: 'Remove the annotation.',
  });
}

function quoteFix(value: unknown): string | undefined {
  if (typeof value === 'number') return `Write it in quotes: "${value}".`;
  return typeof value === 'boolean' ? QUOTE_WORDS : undefined;
}
