// Directions between packages. Fails also when it read no module: a check that looked at nothing proves nothing.
import { cruise } from 'dependency-cruiser';

/** What each package may import of ours; nothing here means nothing. */
const ALLOWED = {
  kit: [],
  contracts: [],
  testkit: ['contracts', 'kit'],
  expr: ['contracts', 'kit'],
  evaluator: ['contracts', 'kit'],
  config: ['contracts', 'kit'],
  xds: ['contracts', 'kit'],
  capture: ['contracts', 'kit'],
  pilot: ['contracts', 'kit', 'expr', 'evaluator', 'config', 'xds'],
  proxy: ['contracts', 'kit', 'expr', 'evaluator', 'xds', 'capture'],
  citadel: ['contracts', 'kit', 'config', 'xds'],
  agent: ['contracts', 'kit', 'xds'],
  telemetry: ['contracts', 'kit', 'expr', 'config', 'xds'],
  local: ['contracts', 'kit', 'xds', 'capture'],
  'console-api': ['contracts', 'kit', 'config', 'evaluator'],
};
// The admin page's dump of everything in force.
const CONFIG_DUMP = '^packages/proxy/src/admin/config-dump\\.ts$';
const TESTS = '\\.(test|chaos)\\.ts$|/testdata/|/testing/|/test-support/';

const forbidden = [
  {
    name: 'no-cycles',
    comment: 'Files that import each other can not be read in order: move the shared part to a third file.',
    severity: 'error',
    from: {},
    to: { circular: true },
  },
  {
    name: 'testkit-in-tests-only',
    comment: 'Fakes do not belong in what ships.',
    severity: 'error',
    from: { path: '^packages/', pathNot: `^packages/testkit/|${TESTS}` },
    to: { path: '^packages/testkit/' },
  },
  {
    name: 'packages-do-not-know-apps',
    comment: 'An app wires packages; a package never reaches up.',
    severity: 'error',
    from: { path: '^packages/' },
    to: { path: '^(apps|e2e)/' },
  },
  {
    name: 'only-the-surface',
    comment: 'Another package is imported by its name, not by a path into it.',
    severity: 'error',
    from: { path: '^(packages|apps)/([^/]+)/' },
    to: { path: '^(packages|apps)/([^/]+)/', pathNot: '^$1/$2/', dependencyTypes: ['local'] },
  },
  ...Object.entries(ALLOWED).map(([name, allowed]) => ({
    name: `${name}-depends-downwards`,
    comment: `${name} may import ${allowed.join(', ') || 'no other package'}: a shared type moves to contracts, a shared wish becomes a port that an app wires.`,
    severity: 'error',
    from: { path: `^packages/${name}/src/`, pathNot: TESTS },
    to: { path: '^packages/', pathNot: `^packages/(${[name, ...allowed].join('|')})/` },
  })),
  {
    name: 'config-dump-on-demand',
    comment: 'This file brings the full Envoy descriptors along: import it dynamically, when the page is asked for.',
    severity: 'error',
    from: { pathNot: TESTS },
    to: { path: CONFIG_DUMP, dependencyTypesNot: ['type-only', 'dynamic-import'] },
  },
  {
    name: 'lean-proxy',
    comment: 'The proxy stays small: full Envoy descriptors only on demand in the admin page, no fastify, no undici.',
    severity: 'error',
    from: { path: '^packages/(proxy|evaluator|xds|capture)/src/', pathNot: `${CONFIG_DUMP}|${TESTS}` },
    to: {
      path: 'contracts/(src/config|gen/full/envoy)|node_modules/(fastify|undici|ajv)/',
      dependencyTypesNot: ['type-only', 'dynamic-import'],
    },
  },
];

const { output } = await cruise(['packages', 'apps/cli', 'apps/bookinfo'], {
  ruleSet: { forbidden },
  validate: true,
  exclude: { path: '(^|/)(dist|gen\\.tmp)/|/node_modules/(?!@weft)' },
  doNotFollow: { path: 'node_modules' },
  tsPreCompilationDeps: true,
  combinedDependencies: true,
  enhancedResolveOptions: {
    exportsFields: ['exports'],
    conditionNames: ['import', 'node', 'default', 'types'],
    extensions: ['.ts', '.tsx', '.js', '.mjs', '.json'],
  },
  outputType: 'json',
});
const result = JSON.parse(output);
const ours = result.modules.filter((module) => /^(packages|apps)\/.*\/src\//.test(module.source));
const MIN_MODULES = 200;
for (const { rule, from, to } of result.summary.violations) {
  const { comment } = forbidden.find((item) => item.name === rule.name) ?? {};
  process.stderr.write(`${rule.name}: ${from} → ${to}\n  ${comment ?? ''}\n`);
}
const crossing = ours
  .flatMap((module) => module.dependencies)
  .filter((dependency) => dependency.resolved.startsWith('packages/') && dependency.module.startsWith('@weft/'));
process.stdout.write(
  `boundaries: ${ours.length} modules, ${crossing.length} imports between packages, ${result.summary.violations.length} violations\n`,
);
if (ours.length < MIN_MODULES || crossing.length < 50) {
  process.stderr.write(
    `error: the check read ${ours.length} modules and ${crossing.length} imports between packages; it must be reading the wrong place\n`,
  );
  process.exit(1);
}
process.exit(result.summary.violations.length > 0 ? 1 : 0);
