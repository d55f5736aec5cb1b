import { describe, expect, it } from 'vitest';
import fc from 'fast-check';
import { stringify } from 'yaml';
import { KIND_NAMES, UNSUPPORTED_KINDS } from '@weft/contracts/config';
import { parseConfig } from './parse-config.ts';
import { formatProblem } from './problems.ts';

const said = (text: string): string[] =>
  parseConfig(text, 'f.yaml').problems.map(({ code, line, column }) => `${code} ${line}:${column}`);

const HEAD = 'apiVersion: v1\nkind: Service\nmetadata: {name: a}\n';

describe('reading as kubectl does', () => {
  it.each([
    ['empty', '', []],
    ['comments only', '# a\n---\n# b\n', []],
    ['not YAML', 'a: [', ['W0001 1:5']],
    ['tab', 'a:\n\t- b', ['W0001 2:1']],
    ['a key twice', `${HEAD}kind: Service\n`, ['W0002 4:1']],
    ['a list', '- a\n', ['W0004 1:1']],
    ['no apiVersion', 'kind: Service\n', ['W0004 1:1']],
    ['no kind', 'apiVersion: v1\n', ['W0004 1:1']],
    ['unknown kind', 'apiVersion: v1\nkind: Servise\n', ['W0005 2:7']],
    ['kind of another group', 'apiVersion: v1\nkind: VirtualService\n', ['W0005 1:13']],
    ['version not served', 'apiVersion: networking.istio.io/v2\nkind: Gateway\n', ['W0006 1:13']],
    ['Gateway API', 'apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\n', ['W0007 2:7']],
    ['workload kinds are skipped', 'apiVersion: apps/v1\nkind: Deployment\n', ['W0007 2:7']],
    ['field outside of spec', `${HEAD}ports: []\n`, ['W0012 1:1', 'W0010 4:1'].toSorted()],
    ['no name', 'apiVersion: v1\nkind: Namespace\nmetadata: {}\n', ['W0008 3:1']],
    ['no metadata', 'apiVersion: v1\nkind: Namespace\n', ['W0008 1:1']],
    ['bad name', 'apiVersion: v1\nkind: Namespace\nmetadata: {name: A_b}\n', ['W0020 3:18']],
    [
      'bad namespace',
      'apiVersion: v1\nkind: Service\nmetadata: {name: a, namespace: A}\nspec: {clusterIP: None}',
      ['W0020 3:32'],
    ],
    ['label value', 'apiVersion: v1\nkind: Namespace\nmetadata:\n  name: a\n  labels: {a: "b c"}\n', ['W0020 5:15']],
    ['label as boolean', 'apiVersion: v1\nkind: Namespace\nmetadata:\n  name: a\n  labels: {a: on}\n', ['W0011 5:15']],
    ['generateName', 'apiVersion: v1\nkind: Namespace\nmetadata: {name: a, generateName: b}\n', ['W0010 3:21']],
    [
      'what a server adds',
      'apiVersion: v1\nkind: Namespace\nmetadata: {name: a, uid: b, resourceVersion: "1", creationTimestamp: null}\nstatus: {phase: Active}\n',
      [],
    ],
    [
      'dry run',
      'apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: a, annotations: {istio.io/dry-run: "true"}}\nspec: {rules: [{}]}\n',
      ['W0030 3:35'],
    ],
    ['an unknown anchor', `${HEAD}spec: *a\n`, ['W0003 4:7']],
    ['a cycle', `${HEAD}spec: &a {selector: *a}\n`, ['W0003 4:21']],
    ['a number that loses digits', `${HEAD}spec: {healthCheckNodePort: 9007199254740993}\n`, ['W0003 4:29']],
    ['a forbidden key', `${HEAD}spec: {__proto__: {}}\n`, ['W0003 4:8']],
    ['in a merge', `${HEAD}x: &x {portz: []}\nspec:\n  <<: *x\n`, ['W0010 4:1', 'W0010 4:8']],
  ])('%s', (_, text, expected) => {
    expect(said(text).toSorted()).toEqual([...expected].toSorted());
  });

  it('YAML 1.1 words, merges, aliases and numbers as keys', () => {
    const { objects, problems } = parseConfig(
      `apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: a}
spec:
  selector: {matchLabels: &labels {app: "on"}}
  portLevelMtls:
    8080: &strict {mode: STRICT}
    0x50: {<<: *strict}
---
apiVersion: v1
kind: Service
metadata: {name: b, labels: *labels2}
`,
      'f',
    );
    expect(objects[0]?.object.spec).toEqual({
      selector: { matchLabels: { app: 'on' } },
      portLevelMtls: { 8080: { mode: 'STRICT' }, 80: { mode: 'STRICT' } },
    });
    expect(problems.map(({ code }) => code)).toEqual(['W0003']);
  });

  it('JSON, with places', () => {
    expect(
      said(
        '{\n\t"apiVersion": "v1",\n\t"kind": "Service",\n\t"metadata": {"name": "a"},\n\t"spec": {"ports": [{"port": "80"}]}\n}',
      ),
    ).toEqual(['W0011 5:30']);
  });

  it('expands lists, of List and of a kind, and says where in them', () => {
    const item = (port: string): string =>
      `{kind: Service, apiVersion: v1, metadata: {name: a${port}}, spec: {ports: [{port: ${port}}]}}`;
    for (const kind of ['List', 'ServiceList']) {
      const { objects, problems } = parseConfig(
        `apiVersion: v1\nkind: ${kind}\nitems:\n- ${item('80')}\n- ${item('0')}\n`,
        'f',
      );
      expect(objects.map(({ object, text }) => [object.metadata.name, text])).toEqual([['a80', undefined]]);
      expect(problems[0]).toMatchObject({ path: 'items[1].spec.ports[0].port', line: 5, object: 'Service/default/a0' });
    }
  });

  it('keeps good documents beside a bad one, and knows their text', () => {
    const { objects, problems } = parseConfig(
      `# one\n${HEAD}spec: {clusterIP: None}\n---\na: 1\na: 2\n---\n# two\n${HEAD}spec: {clusterIP: None} # end\n`,
      'f',
    );
    expect(problems).toHaveLength(1);
    expect(objects.map(({ text }) => text)).toEqual([
      `# one\n${HEAD}spec: {clusterIP: None}\n`,
      `# two\n${HEAD}spec: {clusterIP: None} # end\n`,
    ]);
    expect(objects.map(({ object }) => object.source)).toEqual([
      { file: 'f', line: 2, column: 1 },
      { file: 'f', line: 11, column: 1 },
    ]);
  });

  it('takes a default namespace, and none for kinds without one', () => {
    const { objects } = parseConfig(
      `${HEAD}spec: {clusterIP: None}\n---\napiVersion: v1\nkind: Namespace\nmetadata: {name: x}\n`,
      'f',
      { defaultNamespace: 'shop' },
    );
    expect(objects.map(({ object }) => object.metadata.namespace)).toEqual(['shop', '']);
  });

  it('gives frozen objects with names in camelCase', () => {
    const [parsed] = parseConfig(
      'apiVersion: networking.istio.io/v1alpha3\nkind: DestinationRule\nmetadata: {name: a}\nspec: {host: a, traffic_policy: {outlier_detection: {consecutive_5xx_errors: 1, interval: null}}}\n',
      'f',
    ).objects;
    expect(parsed?.object.spec).toEqual({
      host: 'a',
      trafficPolicy: { outlierDetection: { consecutive5xxErrors: 1 } },
    });
    expect(parsed?.locate(['spec', 'trafficPolicy', 'outlierDetection', 'consecutive5xxErrors'])).toEqual({
      line: 4,
      column: 78,
    });
    expect(() => Object.assign(parsed?.object.spec ?? {}, { host: 'b' })).toThrow(TypeError);
  });

  it.each([
    ['a template of Helm', 'spec:\n  name: {{ .Values.name }}-a\n', '2:', /helm template/],
    ['one that begins with a condition', `{{- if .Values.on }}\n${HEAD}{{- end }}\n`, '1:', /helm template/],
    ['one in quotes', HEAD.replace('a}', '"{{ .Release.Name }}"}'), '3:', /helm template/],
    ['variables of a shell', HEAD.replace('a}', '"${NAME}"}'), '3:', /envsubst/],
    [
      'a mark of byte order in the middle',
      `${HEAD}spec: {clusterIP: None}\n---\n\ufeff${HEAD}`,
      '6:1',
      /byte order mark/,
    ],
    ['apiVersion in another case', HEAD.replace('apiVersion', 'apiversion'), '1:1', /Write apiVersion, not apiversion/],
    ['kind in another case', HEAD.replace('kind', 'Kind'), '1:1', /Write kind, not Kind/],
    ['a list without items', 'apiVersion: v1\nkind: List\nitem: []\n', '2:7', /below items/],
    ['a kustomization', 'apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n', '2:7', /kustomize build/],
    ['a quote that is not closed', `${HEAD}spec: {clusterIP: "None}\n`, '5:1', /Close what was opened/],
    ['text that looks like an object', `${HEAD}spec: a: b\n`, '4:7', /in quotes/],
    ['indentation that does not fit', `${HEAD}spec:\n   a: 1\n  b: 2\n`, '6:1', /same indentation/],
    ['no end of nesting', `a: ${'['.repeat(2_000)}`, '1:1', /not closed/],
    ['an anchor that is none', `${HEAD}spec: *a\n`, '4:7', /in quotes/],
  ])('%s is refused with its place and the mend', (_, text, at, fix) => {
    const found = parseConfig(text, 'f.yaml').problems.map(
      (problem) => `${problem.severity} ${problem.line}:${problem.column} ${problem.fix ?? ''}`,
    );
    expect(found).toContainEqual(expect.stringMatching(new RegExp(`^error ${at}.*${fix.source}`)));
  });

  it('an object of tens of thousands of keys is read in the time that its text takes', () => {
    const keys = Array.from({ length: 30_000 }, (_, index) => `k${index}: 1`);
    // The parser's own comparison of each with each takes longer than a test may.
    expect(said([...keys, 'k7: 2'].join('\n'))).toEqual(['W0002 30001:1']);
    expect(said(`${HEAD}8080: 1\n"8080": 2\n`)).toEqual(['W0002 5:1']);
  });

  it('has limits', () => {
    expect(said('x'.repeat(5_000_000))).toEqual(['W0003 1:1']);
    expect(said('['.repeat(20_000))).toEqual(['W0003 1:1']);
    expect(said('{"a":'.repeat(20_000))).toEqual(['W0003 1:1']);
    expect(said(Array.from({ length: 3000 }, (_, i) => `${' '.repeat(i)}a:`).join('\n'))).toEqual(['W0003 1:1']);
    const bomb = [
      'a: &a [x,x,x,x,x,x,x,x,x,x]',
      ...'bcdefghi'.split('').map((name, i) => `${name}: &${name} [${Array(10).fill(`*${'abcdefghi'[i]}`).join()}]`),
    ].join('\n');
    expect(said(bomb)).toEqual(['W0003 1:1']);
  });

  it('every kind known by name says what to do', () => {
    for (const [key, { message }] of Object.entries(UNSUPPORTED_KINDS)) {
      const [group = '', kind = ''] = key.split('/');
      const text = `apiVersion: ${group === '' ? '' : `${group}/`}v1\nkind: ${kind === '*' ? 'Something' : kind}\n`;
      expect(parseConfig(text, 'f').problems[0]).toMatchObject({ code: 'W0007', fix: message });
    }
  });

  it('prints a problem with place, path and fix', () => {
    const [problem] = parseConfig(`${HEAD}spec: {portz: []}\n`, 'svc.yaml').problems;
    expect(problem && formatProblem(problem)).toBe(
      'svc.yaml:4:8: error W0010 IST0106: spec.portz: the field "portz" is unknown\n  fix: Did you mean ports?',
    );
  });
});

describe('laws', () => {
  const scalar = fc.oneof(
    fc.string(),
    fc.integer(),
    fc.double(),
    fc.boolean(),
    fc.constant(null),
    fc.constantFrom('10s', '*', 'STRICT', 'a(', '10.0.0.0/8', 'unix:///a'),
  );
  const names = fc.constantFrom(
    'hosts',
    'http',
    'match',
    'route',
    'destination',
    'host',
    'uri',
    'regex',
    'headers',
    'rules',
    'from',
    'source',
    'ports',
    'port',
    'params',
    'servers',
    'tls',
    'mode',
    'subsets',
    'trafficPolicy',
    '__proto__',
    'constructor',
  );
  const { value } = fc.letrec((tie) => ({
    value: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      scalar,
      fc.array(tie('value'), { maxLength: 4 }),
      fc.dictionary(fc.oneof(names, fc.string()), tie('value'), { maxKeys: 5 }),
    ),
  }));

  it('never throws on any value as a spec, and every problem has a place', () => {
    fc.assert(
      fc.property(fc.constantFrom(...KIND_NAMES), value, (kind, spec) => {
        const groups = [
          'networking.istio.io/v1',
          'security.istio.io/v1',
          'telemetry.istio.io/v1',
          'config.istio.io/v1alpha2',
          'v1',
        ];
        for (const apiVersion of groups) {
          const text = stringify(
            { apiVersion, kind, metadata: { name: 'a' }, spec },
            { version: '1.1', aliasDuplicateObjects: false },
          );
          for (const { line, column } of parseConfig(text, 'f').problems) {
            expect(line).toBeGreaterThan(0);
            expect(column).toBeGreaterThan(0);
          }
        }
      }),
      { numRuns: 150 },
    );
  });

  it('never throws on any text', () => {
    const pieces = fc.constantFrom(
      'apiVersion: v1\n',
      'kind: Service\n',
      'spec:',
      '  ',
      '- ',
      '{',
      '}',
      '[',
      ']',
      ': ',
      '&a ',
      '*a',
      '<<: ',
      '\t',
      '"',
      "'",
      '|\n',
      '>-\n',
      '---\n',
      '...\n',
      '!!set ',
      '!x ',
      '%YAML 1.2\n',
      '# ',
      '? ',
      '\u0000',
      '\uFEFF',
      '0o17',
      '1e999',
      '~',
    );
    fc.assert(
      fc.property(fc.array(fc.oneof(pieces, fc.string({ maxLength: 5 })), { maxLength: 40 }), (parts) => {
        parseConfig(parts.join(''), 'f');
      }),
      { numRuns: 1500 },
    );
  });

  it('a change of one character in a good file never throws', () => {
    const good = `${HEAD}spec:\n  selector: {app: a}\n  ports:\n  - {name: http, port: 80, targetPort: web}\n`;
    fc.assert(
      fc.property(fc.nat(good.length - 1), fc.string({ maxLength: 2 }), (at, text) => {
        parseConfig(good.slice(0, at) + text + good.slice(at + 1), 'f');
      }),
      { numRuns: 500 },
    );
  });
});

describe('findings without end', () => {
  it('are cut, errors first, and say how many more there are', () => {
    const { objects, problems } = parseConfig(
      `apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: { name: a }\nspec: { hosts: [${'a_b,'.repeat(3000)}] }`,
      'f.yaml',
    );
    expect([objects.length, problems.length]).toEqual([0, 501]);
    expect(problems.at(-1)).toMatchObject({
      code: 'W0003',
      severity: 'error',
      message: expect.stringMatching(/^there are \d+ more findings/) as string,
    });
  });
});

describe('Istio’s own ConfigMap', () => {
  const map = (mesh: string, name = 'istio'): string =>
    `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ${name}, namespace: istio-system}\ndata:\n  mesh: |-\n${mesh.replaceAll(/^/gm, '    ')}\n  meshNetworks: "networks: {}"\n`;
  it('is read for the settings of the mesh in it', () => {
    const { objects, problems } = parseConfig(map('accessLogFile: /dev/stdout\nconnectTimeout: 3s'), 'f.yaml');
    expect(problems).toEqual([]);
    expect(objects.map(({ object }) => [object.kind, object.metadata.name, object.spec])).toEqual([
      ['MeshConfig', 'istio', { accessLogFile: '/dev/stdout', connectTimeout: '3s' }],
    ]);
  });
  it('is told of by the line of the text that is wrong', () => {
    expect(said(map('accessLogFile: /x\nenableTracing: true\naccesLogFormat: x'))).toEqual(['W0031 7:1', 'W0010 8:1']);
    expect(said(map('just a text'))).toEqual(['W0011 6:1']);
  });
  it('is skipped under another name', () => expect(said(map('accessLogFile: /x', 'other'))).toEqual(['W0007 2:7']));
});
