/** The directory store behind the console API's configuration port. */
import { kindByAlias, kindInfo, type ConfigObject, type ConfigRef as ObjectRef } from '@weft/contracts/config';
import {
  analyze,
  isError,
  toPlainWithStatus,
  toYaml,
  yamlText,
  type ConfigText,
  type DirectoryStore,
  type Problem,
  type World,
} from '@weft/config';
import { WeftError } from '@weft/kit';
import type { ConfigOutcome, ConfigSource } from '@weft/console-api';
import type {
  ConfigApplyResult,
  ConfigReceipt,
  ConfigRef,
  ConfigSummary,
  DiagnosticView,
} from '@weft/contracts/console-views';
import { createJudge } from './judge.ts';
import type { Receipts } from './receipts.ts';
import { definedTwice } from './same-object.ts';

export interface ConfigSourceDeps {
  readonly store: DirectoryStore;
  readonly configText: ConfigText;
  /** What the control plane says about objects beyond what their text shows. */
  readonly diagnostics: () => readonly Problem[];
  /** What it would say of all these objects. */
  readonly foresee: (objects: readonly ConfigObject[]) => readonly Problem[];
  /** What runs, for checks against it; the same object until that changes. */
  readonly world: () => World;
  readonly receipts: Receipts;
}

export function createConfigSource({
  store,
  configText,
  diagnostics,
  foresee,
  world,
  receipts,
}: ConfigSourceDeps): ConfigSource {
  const judge = createJudge({ store, diagnostics, world });
  const summaryOf = (object: ConfigObject, findings: readonly Problem[]): ConfigSummary => {
    const { metadata, source } = object;
    const changedAt = Date.parse(metadata.creationTimestamp ?? '');
    return {
      ...apiRef(object),
      version: object.apiVersion.split('/').at(-1) ?? '',
      validity: findings.some(isError)
        ? 'error'
        : findings.some(({ severity }) => severity === 'warning')
          ? 'warning'
          : 'valid',
      findings: findings.length,
      ...(source ? { file: source.file, line: source.line } : {}),
      ...(Number.isNaN(changedAt) ? {} : { changedAt }),
    };
  };
  const read = async (yaml: string) => {
    const { objects, problems } = await configText.parse(yaml, '-');
    return { objects, problems: [...problems, ...definedTwice(objects)] };
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
  /** Writes, and says what the proxies made of it. */
  const written = (waitMs: number, write: () => Promise<ConfigApplyResult>): Promise<ConfigOutcome> =>
    orRefused(async () => {
      const before = receipts.version();
      const result = await write();
      const since = result.changes.every(({ action }) => action === 'unchanged') ? 0 : before;
      const receipt = waitMs === 0 ? undefined : await receipts.receipt(since, waitMs);
      return { ...result, since, ...(receipt ? { receipt } : {}) };
    });
  return {
    list() {
      const findings = judge();
      return store.list().map((object) => summaryOf(object, findings.get(keyOf(object)) ?? []));
    },
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
      const findings = judge().get(keyOf(object)) ?? [];
      return Promise.resolve({
        ...summaryOf(object, findings),
        yaml: yamlText(toPlainWithStatus(object)),
        diagnostics: findings.map(diagnosticOf),
      });
    },
    async validate(yaml) {
      const { objects, problems } = await read(yaml);
      return {
        valid: !problems.some(isError),
        objects: objects.map(({ object }) => apiRef(object)),
        diagnostics: problems.map(diagnosticOf),
      };
    },
    async apply(yaml, { dryRun, waitMs }) {
      const { objects, problems } = await read(yaml);
      if (problems.some(isError)) return { outcome: 'refused', diagnostics: problems.map(diagnosticOf) };
      const after = [
        ...store.list().filter((old) => !objects.some(({ object }) => sameRef(old, object))),
        ...objects.map(({ object }) => object),
      ];
      const doubts = [...analyze(after, world()), ...foresee(after)].filter((problem) =>
        objects.some(({ object }) => problem.object === keyOf(object)),
      );
      const diagnosed = [...problems, ...doubts].map(diagnosticOf);
      if (dryRun) {
        const planned = objects.map(({ object }) => ({ ...apiRef(object), action: plannedAction(store, object) }));
        return { outcome: 'done', result: { dryRun, changes: planned, diagnostics: diagnosed } };
      }
      return written(waitMs, async () => {
        const items = objects.map(({ object, text }) => ({ object, ...(text === undefined ? {} : { text }) }));
        const results = await store.apply(items);
        const changes = results.map(({ ref, outcome }) => ({ ...refView(ref), action: outcome }));
        return { dryRun, changes, diagnostics: diagnosed };
      });
    },
    async delete(ref, { dryRun, waitMs }) {
      const object = find(ref);
      if (!object) return { outcome: 'not-found' };
      const { kind, metadata } = object;
      const result: ConfigApplyResult = {
        dryRun,
        changes: [{ ...apiRef(object), action: 'deleted' }],
        diagnostics: [],
      };
      if (dryRun) return { outcome: 'done', result };
      return written(waitMs, async () => {
        await store.delete({ kind, namespace: metadata.namespace, name: metadata.name });
        return result;
      });
    },
    receipt: (since, waitMs): Promise<ConfigReceipt> => receipts.receipt(since, waitMs),
    forService: (namespace, name) => {
      const names = new RegExp(`"(${escape(name)}|${escape(`${name}.${namespace}`)}(\\.svc(\\.[a-z.]+)?)?)"`);
      return naming((text) => names.test(text));
    },
    forWorkload: (_, name) => naming((text) => text.includes(JSON.stringify(name))),
    subscribe: (changed) => store.subscribe(() => changed()),
  };
}

/** What the store can not write, such as an object in a file with errors, is refused with the file and the mend. */
async function orRefused(write: () => Promise<ConfigApplyResult>): Promise<ConfigOutcome> {
  try {
    return { outcome: 'done', result: await write() };
  } catch (error) {
    if (!(error instanceof WeftError)) throw error;
    const { code, message, where, fix } = error;
    const place = { ...(where === undefined ? {} : { file: where }), ...(fix === undefined ? {} : { hint: fix }) };
    return { outcome: 'refused', diagnostics: [{ severity: 'error', code, message, ...place }] };
  }
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
