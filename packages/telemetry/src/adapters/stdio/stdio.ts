/** Writes log entries and metrics as lines, JSON by default. */
import type { InstanceValue } from '../../rules/templates.ts';
import type { Adapter } from '../adapter.ts';
import { formatTimestamp, jsonOf } from '../values.ts';

const LEVELS = ['INFO', 'WARNING', 'ERROR'] as const;
type Level = (typeof LEVELS)[number];

const KNOWN_SEVERITIES: ReadonlyMap<string, Level> = new Map<string, Level>([
  ['info', 'INFO'],
  ['Info', 'INFO'],
  ['INFO', 'INFO'],
  ['warning', 'WARNING'],
  ['Warning', 'WARNING'],
  ['WARNING', 'WARNING'],
  ['error', 'ERROR'],
  ['Error', 'ERROR'],
  ['ERROR', 'ERROR'],
]);

export const stdio: Adapter = {
  name: 'stdio',
  templates: ['logentry', 'metric'],
  plan(params) {
    // FILE and ROTATED_FILE go to standard output; the analyzer of configuration says so to the user.
    const stream = params.choice('logStream', ['STDOUT', 'STDERR', 'FILE', 'ROTATED_FILE']) ?? 'STDOUT';
    const severities = new Map<string, Level>();
    for (const [name, text] of params.stringMap('severityLevels')) {
      const level = LEVELS.find((known) => known === text);
      if (level) severities.set(name, level);
      else
        params.problem(
          `severityLevels[${JSON.stringify(name)}]`,
          `${JSON.stringify(text)} is none of ${LEVELS.join(', ')}`,
        );
    }
    const metricLevel = params.choice('metricLevel', LEVELS) ?? 'INFO';
    const outputLevel = params.choice('outputLevel', LEVELS) ?? 'INFO';
    const json = params.boolean('outputAsJson') ?? true;
    // Of files: read, so that configuration for the original adapter is accepted.
    params.string('outputPath');
    for (const name of ['maxMegabytesBeforeRotation', 'maxDaysBeforeRotation', 'maxRotatedFiles']) params.integer(name);
    params.end();

    const levelOf = (instance: InstanceValue): Level =>
      instance.template === 'logentry'
        ? (severities.get(instance.severity) ?? KNOWN_SEVERITIES.get(instance.severity) ?? 'INFO')
        : metricLevel;
    return {
      exports: [],
      create({ clock, output }) {
        const write = stream === 'STDERR' ? output.stderr : output.stdout;
        return {
          report(instances) {
            for (const instance of instances) {
              const level = levelOf(instance);
              if (LEVELS.indexOf(level) < LEVELS.indexOf(outputLevel)) continue;
              const line = lineOf(instance, level, clock.now());
              write(json ? JSON.stringify(Object.fromEntries(line)) : line.map(plain).join('\t'));
            }
          },
          close: () => {},
        };
      },
    };
  },
};

type Line = readonly (readonly [name: string, value: unknown])[];

/** Level, time, instance, then the variables by name. */
function lineOf(instance: InstanceValue, level: Level, nowMs: number): Line {
  const timeMs = instance.template === 'logentry' ? (instance.timestampMs ?? nowMs) : nowMs;
  const head: Line = [
    ['level', level.toLowerCase()],
    ['time', formatTimestamp(timeMs)],
    ['instance', instance.name],
  ];
  if (instance.template === 'metric') {
    return [...head, ['value', jsonOf(instance.value)], ...sorted(instance.dimensions, jsonOf)];
  }
  return instance.template === 'logentry' ? [...head, ...sorted(instance.variables, jsonOf)] : head;
}

function sorted<T>(map: ReadonlyMap<string, T>, of: (value: T) => unknown): Line {
  return [...map].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, value]) => [name, of(value)] as const);
}

function plain([name, value]: Line[number]): string {
  if (name === 'level' || name === 'time' || name === 'instance') return String(value);
  return `${name}=${JSON.stringify(value) ?? ''}`;
}
