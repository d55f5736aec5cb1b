/** User configuration: read, judged, applied and deleted. */
import {
  ConfigApplyResultSchema,
  ConfigDocumentSchema,
  ConfigListSchema,
  ConfigReceiptSchema,
  ConfigValidationSchema,
} from '@weft/contracts/console-schemas';
import type { DiagnosticView } from '@weft/contracts/console-views';
import type { Logger } from '@weft/kit';
import { Type } from 'typebox';
import { ApiError, notFound } from '../errors.ts';
import { matchesText, Name, pageOf, paging, route, type Route, search } from '../http/route.ts';
import type { ConfigOutcome, ConfigSource } from '../ports.ts';
import { lineOfField } from '../views/yaml-lines.ts';

const Group = Type.String({
  pattern: '^[a-z0-9]([a-z0-9.-]{0,120}[a-z0-9])?$',
  description: '`core` for the group without a name.',
});
const Kind = Type.String({ pattern: '^[A-Za-z][A-Za-z0-9]{0,63}$' });
const RefParams = Type.Object({ group: Group, kind: Kind, ns: Name, name: Name });
const YamlBody = Type.Object(
  { yaml: Type.String({ minLength: 1, description: 'One or more documents.' }) },
  { additionalProperties: false },
);
const DEFAULT_WAIT_MS = 10_000;
const MAX_WAIT_MS = 600_000;
const WaitMs = Type.Optional(
  Type.Integer({
    minimum: 0,
    maximum: MAX_WAIT_MS,
    description: `Milliseconds to wait until the proxies concerned have answered; 0 answers at once. Default ${DEFAULT_WAIT_MS}.`,
  }),
);
const ApplyBody = Type.Object(
  {
    ...YamlBody.properties,
    dryRun: Type.Optional(Type.Boolean({ description: 'Judge, but change nothing.' })),
    waitMs: WaitMs,
  },
  { additionalProperties: false },
);

export function configRoutes(config: ConfigSource, logger: Logger): readonly Route[] {
  return [
    route('GET', '/config', {
      summary: 'All configuration objects, and files with something to say.',
      query: Type.Object(
        {
          ...paging,
          ...search,
          kind: Type.Optional(Kind),
          validity: Type.Optional(
            Type.Unsafe<'valid' | 'warning' | 'error'>({ type: 'string', enum: ['valid', 'warning', 'error'] }),
          ),
        },
        { additionalProperties: false },
      ),
      response: ConfigListSchema,
      handle: ({ query }) => {
        const { text, namespace, kind, validity } = query;
        const rows = config
          .list()
          .filter((row) => matchesText(row.name, text))
          .filter((row) => namespace === undefined || row.namespace === namespace)
          .filter((row) => kind === undefined || row.kind.toLowerCase() === kind.toLowerCase())
          .filter((row) => validity === undefined || row.validity === validity)
          .toSorted(
            (a, b) =>
              a.kind.localeCompare(b.kind, 'en') ||
              a.namespace.localeCompare(b.namespace, 'en') ||
              a.name.localeCompare(b.name, 'en'),
          );
        return { ...pageOf(rows, query), files: config.files() };
      },
    }),
    route('GET', '/config/:group/:kind/:ns/:name', {
      summary: 'One object as YAML, with its diagnostics.',
      params: RefParams,
      response: ConfigDocumentSchema,
      handle: async ({ params }) => {
        const document = await config.get(refOf(params));
        if (!document) throw missing(params);
        return { ...document, diagnostics: document.diagnostics.map((finding) => placed(finding, document.yaml)) };
      },
    }),
    route('POST', '/config/validate', {
      summary: 'Judges YAML against the configuration that is there; changes nothing.',
      access: 'read',
      body: YamlBody,
      response: ConfigValidationSchema,
      handle: ({ body }) => config.validate(body.yaml),
    }),
    route('GET', '/receipt', {
      summary:
        'What became of all that was written since then: which proxies took it, refused it or did not answer yet.',
      query: Type.Object(
        {
          since: Type.Integer({
            minimum: 0,
            description: 'As an answer to a write says it; 0 asks about all proxies.',
          }),
          waitMs: WaitMs,
        },
        { additionalProperties: false },
      ),
      response: ConfigReceiptSchema,
      handle: ({ query }) => config.receipt(query.since, query.waitMs ?? DEFAULT_WAIT_MS),
    }),
    route('POST', '/config/apply', {
      summary: 'Creates or replaces all objects of the text, or none.',
      body: ApplyBody,
      response: ConfigApplyResultSchema,
      handle: async ({ body, caller }) => {
        const { yaml, dryRun = false, waitMs = DEFAULT_WAIT_MS } = body;
        const { result } = accepted(await config.apply(yaml, { dryRun, waitMs }), 'The configuration');
        if (!dryRun) {
          const changes = result.changes.map(
            ({ action, kind, namespace, name }) => `${action} ${kind} ${namespace}/${name}`,
          );
          logger.info({ writer: caller.writer, changes }, 'configuration applied');
        }
        return result;
      },
    }),
    route('DELETE', '/config/:group/:kind/:ns/:name', {
      summary: 'Deletes one object.',
      params: RefParams,
      query: Type.Object({ dryRun: Type.Optional(Type.Boolean()), waitMs: WaitMs }, { additionalProperties: false }),
      response: ConfigApplyResultSchema,
      handle: async ({ params, query, caller }) => {
        const { dryRun = false, waitMs = DEFAULT_WAIT_MS } = query;
        const outcome = await config.delete(refOf(params), { dryRun, waitMs });
        if (outcome.outcome === 'not-found') throw missing(params);
        const { result } = accepted(outcome, `${params.kind} ${params.name}`);
        if (!dryRun) logger.info({ writer: caller.writer, object: refOf(params) }, 'configuration deleted');
        return result;
      },
    }),
  ];
}

/** Files and the shown text need not agree line by line; the field does. */
function placed(finding: DiagnosticView, yaml: string): DiagnosticView {
  const yamlLine = finding.field === undefined ? undefined : lineOfField(yaml, finding.field);
  return yamlLine === undefined ? finding : { ...finding, yamlLine };
}

interface Params {
  readonly group: string;
  readonly kind: string;
  readonly ns: string;
  readonly name: string;
}

const refOf = ({ group, kind, ns, name }: Params) => ({
  group: group === 'core' ? '' : group,
  kind,
  namespace: ns,
  name,
});

const missing = ({ kind, ns, name }: Params): ApiError =>
  notFound(`${kind} ${name} in ${ns}`, `See all with \`weft get ${kind.toLowerCase()} -n ${ns}\`.`);

/** @throws {ApiError} with the first finding's place up front and all findings beside it. */
function accepted(outcome: ConfigOutcome, what: string): Extract<ConfigOutcome, { outcome: 'done' }> {
  if (outcome.outcome === 'done') return outcome;
  if (outcome.outcome === 'not-found') throw notFound('such object');
  const { diagnostics } = outcome;
  const first = diagnostics.find(({ severity }) => severity === 'error') ?? diagnostics[0];
  throw new ApiError(422, 'config-refused', first?.message ?? `${what} was refused.`, {
    reason: `${what} was not accepted; nothing was changed.`,
    hint: first?.hint ?? 'Mend the findings and apply again.',
    ...(first?.field === undefined ? {} : { field: first.field }),
    ...(first?.file === undefined ? {} : { file: first.file }),
    ...(first?.line === undefined ? {} : { line: first.line }),
    diagnostics,
  });
}
