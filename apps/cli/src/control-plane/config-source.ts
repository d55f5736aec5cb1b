/** The directory store behind the console API's configuration port. */
import { kindByAlias, kindInfo, type ConfigObject, type ConfigRef as ObjectRef } from '@weft/contracts/config';
import {
  analyze,
  isError,
  parseConfig,
  toPlainWithStatus,
  toYaml,
  yamlText,
  type DirectoryStore,
  type Problem,
  type World,
} from '@weft/config';
import type { ConfigSource } from '@weft/console-api';
import type { ConfigChange, ConfigRef, ConfigSummary, DiagnosticView } from '@weft/contracts/console-views';

export interface ConfigSourceDeps {
  readonly store: DirectoryStore;
  /** What the control plane says about objects beyond what their text shows. */
  readonly diagnostics: () => readonly Problem[];
  /** What runs, for checks against it. */
  readonly world: () => World;
}

export function createConfigSource({ store, diagnostics, world }: ConfigSourceDeps): ConfigSource {
  const findingsOf = (object: ConfigObject): DiagnosticView[] => {
    const key = `${object.kind}/${object.metadata.namespace}/${object.metadata.name}`;
    return [...store.status().problems, ...diagnostics()].filter((problem) => problem.object === key).map(diagnosticOf);
  };
  const summaryOf = (object: ConfigObject): ConfigSummary => {
    const findings = findingsOf(object);
    const { metadata, source } = object;
    const changedAt = Date.parse(metadata.creationTimestamp ?? '');
    return {
      ...apiRef(object),
      version: object.apiVersion.split('/').at(-1) ?? '',
      validity: findings.some((item) => item.severity === 'error')
        ? 'error'
        : findings.some((item) => item.severity === 'warning')
          ? 'warning'
          : 'valid',
      findings: findings.length,
      ...(source ? { file: source.file, line: source.line } : {}),
      ...(Number.isNaN(changedAt) ? {} : { changedAt }),
    };
  };
  const find = (ref: ConfigRef): ConfigObject | undefined => {
    const kind = kindByAlias(ref.kind);
    return kind === undefined ? undefined : store.get(kind, kindInfo(kind).namespaced ? ref.namespace : '', ref.name);
  };
  const naming = (matches: (text: string) => boolean): readonly ConfigRef[] =>
    store
      .list()
      .filter((object) => matches(JSON.stringify(object.spec)))
      .map(apiRef);
  return {
    list: () => store.list().map(summaryOf),
    files: () =>
      store
        .status()
        .files.filter((file) => file.problems.length > 0 || file.keptLastGood)
        .map((file) => ({
          file: file.file,
          state: file.keptLastGood || file.problems.some(isError) ? 'rejected' : 'accepted',
          diagnostics: file.problems.map(diagnosticOf),
        })),
    get(ref) {
      const object = find(ref);
      if (!object) return Promise.resolve(undefined);
      return Promise.resolve({
        ...summaryOf(object),
        yaml: yamlText(toPlainWithStatus(object)),
        diagnostics: findingsOf(object),
      });
    },
    validate(yaml) {
      const { objects, problems } = parseConfig(yaml, '-');
      const diagnosed = problems.map(diagnosticOf);
      return Promise.resolve({
        valid: !problems.some(isError),
        objects: objects.map(({ object }) => apiRef(object)),
        diagnostics: diagnosed,
      });
    },
    async apply(yaml, { dryRun }) {
      const { objects, problems } = parseConfig(yaml, '-');
      if (problems.some(isError)) return { outcome: 'refused', diagnostics: problems.map(diagnosticOf) };
      const after = [
        ...store.list().filter((old) => !objects.some(({ object }) => sameRef(old, object))),
        ...objects.map(({ object }) => object),
      ];
      const doubts = analyze(after, world()).filter((problem) =>
        objects.some(({ object }) => problem.object === keyOf(object)),
      );
      const diagnosed = [...problems, ...doubts].map(diagnosticOf);
      const changes: ConfigChange[] = dryRun
        ? objects.map(({ object }) => ({ ...apiRef(object), action: plannedAction(store, object) }))
        : (
            await store.apply(objects.map(({ object, text }) => ({ object, ...(text === undefined ? {} : { text }) })))
          ).map(({ ref, outcome }) => ({
            ...refView(ref),
            action: outcome,
          }));
      return { outcome: 'done', result: { dryRun, changes, diagnostics: diagnosed } };
    },
    async delete(ref, { dryRun }) {
      const object = find(ref);
      if (!object) return { outcome: 'not-found' };
      const { kind, metadata } = object;
      if (!dryRun) await store.delete({ kind, namespace: metadata.namespace, name: metadata.name });
      return {
        outcome: 'done',
        result: { dryRun, changes: [{ ...apiRef(object), action: 'deleted' }], diagnostics: [] },
      };
    },
    forService: (namespace, name) => {
      const names = new RegExp(`"(${escape(name)}|${escape(`${name}.${namespace}`)}(\\.svc(\\.[a-z.]+)?)?)"`);
      return naming((text) => names.test(text));
    },
    forWorkload: (_, name) => naming((text) => text.includes(JSON.stringify(name))),
    subscribe: (changed) => store.subscribe(() => changed()),
  };
}

const keyOf = (object: ConfigObject): string => `${object.kind}/${object.metadata.namespace}/${object.metadata.name}`;
const sameRef = (a: ConfigObject, b: ConfigObject): boolean => keyOf(a) === keyOf(b);
const escape = (text: string): string => text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');

const refView = ({ kind, namespace, name }: ObjectRef): ConfigRef => ({
  group: kindInfo(kind).group,
  kind,
  namespace,
  name,
});
const apiRef = (object: ConfigObject): ConfigRef => refView({ kind: object.kind, ...object.metadata });

function plannedAction(store: DirectoryStore, object: ConfigObject): 'created' | 'configured' | 'unchanged' {
  const before = store.get(object.kind, object.metadata.namespace, object.metadata.name);
  if (!before) return 'created';
  return toYaml(before) === toYaml(object) ? 'unchanged' : 'configured';
}

function diagnosticOf(problem: Problem): DiagnosticView {
  const [kind = '', namespace = '', name = ''] = problem.object?.split('/') ?? [];
  const known = kindByAlias(kind);
  return {
    severity: problem.severity,
    code: problem.code,
    message: problem.message,
    line: problem.line,
    column: problem.column,
    ...(problem.path === '' ? {} : { field: problem.path }),
    ...(problem.file === '-' ? {} : { file: problem.file }),
    ...(problem.fix === undefined ? {} : { hint: problem.fix }),
    ...(known && name !== '' ? { object: refView({ kind: known, namespace, name }) } : {}),
  };
}
