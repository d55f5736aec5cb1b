/** A configuration source in memory that knows a few objects and judges just enough YAML for tests of the API. */
import type { ConfigDocument, ConfigRef, ConfigSummary, DiagnosticView } from '@weft/contracts/console-views';
import type { Clock } from '@weft/kit';
import type { ConfigSource } from '../ports.ts';

const REVIEWS = `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: reviews
  namespace: default
spec:
  hosts:
    - reviews
  http:
    - match:
        - headers:
            end-user:
              exact: jason # signed in on the product page
      route:
        - destination:
            host: reviews
            subset: v2
    - route:
        - destination:
            host: reviews
            subset: v1
          weight: 50
        - destination:
            host: reviews
            subset: v3
          weight: 50
`;
const RULES = `apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata:
  name: reviews
  namespace: default
spec:
  host: reviews
  subsets:
    - name: v1
      labels: { version: v1 }
    - name: v2
      labels: { version: v2 }
    - name: v3
      labels: { version: v3 }
`;
const RATINGS = `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: ratings
  namespace: default
spec:
  hosts:
    - ratings
  http:
    - route:
        - destination:
            host: ratings
            subset: v2
`;
const STRICT = `apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata:
  name: default
  namespace: weft-system
spec:
  mtls:
    mode: STRICT
`;
const GATEWAY = `apiVersion: networking.istio.io/v1
kind: Gateway
metadata:
  name: bookinfo-gateway
  namespace: default
spec:
  selector:
    istio: ingressgateway
  servers:
    - port: { number: 8080, name: http, protocol: HTTP }
      hosts: ['*']
`;

const subsetMissing: DiagnosticView = {
  severity: 'warning',
  code: 'W0031',
  message: 'No DestinationRule of ratings defines the subset "v2"; requests to it will be answered with 503.',
  field: 'spec.http[0].route[0].destination.subset',
  file: 'ratings.yaml',
  line: 13,
  column: 13,
  hint: 'Add the subset to a DestinationRule for ratings, or remove the field.',
};

type Stored = ConfigDocument;

function document(yaml: string, file: string, changedAt: number, diagnostics: readonly DiagnosticView[] = []): Stored {
  const head = headOf(yaml);
  return {
    ...head,
    validity: diagnostics.some(({ severity }) => severity === 'error')
      ? 'error'
      : diagnostics.length > 0
        ? 'warning'
        : 'valid',
    findings: diagnostics.length,
    file,
    line: 1,
    changedAt,
    yaml,
    diagnostics,
  };
}

function headOf(yaml: string): Omit<ConfigRef, never> & { readonly version: string } {
  const field = (name: string): string => new RegExp(`^\\s*${name}: *(\\S+)`, 'm').exec(yaml)?.[1] ?? '';
  const [group = '', version = ''] = field('apiVersion').includes('/')
    ? field('apiVersion').split('/')
    : ['', field('apiVersion')];
  return { group, version, kind: field('kind'), namespace: field('namespace') || 'default', name: field('name') };
}

const keyOf = ({ group, kind, namespace, name }: ConfigRef): string => [group, kind, namespace, name].join('/');

export function bookinfoConfig(clock: Clock, empty: boolean): ConfigSource {
  const objects = new Map<string, Stored>();
  const listeners = new Set<() => void>();
  const put = (item: Stored): void => void objects.set(keyOf(item), item);
  if (!empty) {
    const at = clock.now() - 1_800_000;
    put(document(REVIEWS, 'reviews.yaml', at));
    put(document(RULES, 'reviews.yaml', at));
    put(document(RATINGS, 'ratings.yaml', at, [subsetMissing]));
    put(document(STRICT, 'mesh.yaml', at));
    put(document(GATEWAY, 'gateway.yaml', at));
  }
  const changed = (): void => {
    for (const listener of listeners) listener();
  };
  const judge = (yaml: string): readonly DiagnosticView[] =>
    yaml.split(/^---$/m).flatMap((text) => {
      const { kind, name } = headOf(text);
      if (kind === '') return [problem('kind', 'The document has no kind.')];
      if (name === '') return [problem('metadata.name', 'The object has no name.')];
      return text.includes('rout:')
        ? [problem('spec.http[0].rout', 'There is no field "rout".', 'Did you mean "route"?')]
        : [];
    });
  const refOf = ({ group, kind, namespace, name }: ConfigRef): ConfigRef => ({ group, kind, namespace, name });
  const naming = (name: string): readonly ConfigRef[] =>
    [...objects.values()].filter((item) => item.name === name).map(refOf);

  return {
    list: () => [...objects.values()].map(({ yaml: _yaml, diagnostics: _diagnostics, ...row }): ConfigSummary => row),
    files: () => (empty ? [] : [{ file: 'ratings.yaml', state: 'accepted', diagnostics: [subsetMissing] }]),
    get: (ref) => Promise.resolve(objects.get(keyOf(ref))),
    validate(yaml) {
      const diagnostics = judge(yaml);
      const found = yaml.split(/^---$/m).map((text) => refOf(headOf(text)));
      return Promise.resolve({ valid: diagnostics.length === 0, objects: found, diagnostics });
    },
    apply(yaml, { dryRun }) {
      const diagnostics = judge(yaml);
      if (diagnostics.length > 0) return Promise.resolve({ outcome: 'refused', diagnostics });
      const changes = yaml.split(/^---$/m).map((text) => {
        const stored = document(text.trimStart(), 'applied.yaml', clock.now());
        const former = objects.get(keyOf(stored));
        const action =
          former === undefined
            ? ('created' as const)
            : former.yaml === stored.yaml
              ? ('unchanged' as const)
              : ('configured' as const);
        if (!dryRun) put(stored);
        return { ...refOf(stored), action };
      });
      if (!dryRun) changed();
      return Promise.resolve({ outcome: 'done', result: { dryRun, changes, diagnostics: [] } });
    },
    delete(ref, { dryRun }) {
      const stored = objects.get(keyOf(ref));
      if (!stored) return Promise.resolve({ outcome: 'not-found' });
      if (!dryRun) objects.delete(keyOf(ref));
      if (!dryRun) changed();
      const changes = [{ ...refOf(stored), action: 'deleted' as const }];
      return Promise.resolve({ outcome: 'done', result: { dryRun, changes, diagnostics: [] } });
    },
    receipt: () => Promise.resolve({ complete: true, version: 7, acknowledged: 7, waiting: [], refused: [] }),
    forService: (_namespace, name) => naming(name),
    forWorkload: (namespace) =>
      [...objects.values()]
        .filter(
          ({ kind, namespace: of }) => kind === 'PeerAuthentication' && (of === namespace || of === 'weft-system'),
        )
        .map(refOf),
    subscribe(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
}

const problem = (field: string, message: string, hint?: string): DiagnosticView => ({
  severity: 'error',
  code: 'W0010',
  message,
  field,
  line: 1,
  ...(hint === undefined ? {} : { hint }),
});
