import type { AccessLog } from '@weft/contracts/lean/envoy/config/accesslog/v3/accesslog';
import type { SubstitutionFormatString } from '@weft/contracts/lean/envoy/config/core/v3/substitution_format_string';
import {
  type FileAccessLog,
  FileAccessLogSchema,
} from '@weft/contracts/lean/envoy/extensions/access_loggers/file/v3/file';
import {
  StderrAccessLogSchema,
  StdoutAccessLogSchema,
} from '@weft/contracts/lean/envoy/extensions/access_loggers/stream/v3/stream';
import { ConfigRejectedError, type RegexEngine } from '@weft/evaluator';
import { errorMessage, type Random } from '@weft/kit';
import type { AccessLogger, AccessLogs } from '../ports.ts';
import type { RequestRecord } from '../request-record.ts';
import { unpack } from '../runtime/any.ts';
import { Wanted } from './captures.ts';
import { compileFormat, jsonFormat, type LineFormat, textFormat } from './format.ts';
import { createLineWriter, type LineWriter, type LineWriterDeps } from './line-writer.ts';
import { compileFilter, type LogFilter } from './log-filter.ts';
import type { OperatorContext } from './log-value.ts';
import { requestUuid } from '../filters/http/request-headers.ts';

export interface AccessLogsDeps extends LineWriterDeps {
  /** Default: writes to the file. @throws when it can not be opened for appending. */
  readonly openWriter?: (path: string) => LineWriter;
  /** Gets every record, for the entries of telemetry. */
  readonly onRecord: (record: RequestRecord) => void;
  readonly random: Random;
  readonly regex: RegexEngine;
  /** What `%HOSTNAME%` and `%ENVIRONMENT(…)%` print. */
  readonly hostname: string;
  readonly environment: (name: string) => string | undefined;
}

export interface AccessLogsHandle extends AccessLogs {
  /** Lines that found no room or could not be written. */
  dropped(): number;
  /** Whole lines that a worker made, for a file that a listener named. */
  append(path: string, text: string, lines: number): void;
  /** Opens every file by its name again, after somebody moved it away. @returns those that could not be opened. */
  reopen(): readonly string[];
  close(): Promise<void>;
}

interface Target {
  readonly filter: LogFilter | undefined;
  readonly format: LineFormat;
  readonly writer: LineWriter;
}

/** Loggers of all listeners; those that name the same file share its writer. */
export function createAccessLogs(deps: AccessLogsDeps): AccessLogsHandle {
  const { onRecord, random, regex, hostname, environment, clock } = deps;
  const writers = new Map<string, LineWriter>();
  const writerOf = (path: string, resource: string): LineWriter => {
    const former = writers.get(path);
    if (former !== undefined) return former;
    try {
      const made = deps.openWriter?.(path) ?? createLineWriter(path, deps);
      writers.set(path, made);
      return made;
    } catch (error) {
      throw new ConfigRejectedError(resource, `access log "${path}" can not be opened: ${errorMessage(error)}`, {
        cause: error,
      });
    }
  };
  return {
    create(configs, resource): AccessLogger {
      const wanted = new Wanted();
      const context: OperatorContext = {
        resource,
        wanted,
        hostname,
        environment,
        now: () => clock.now(),
        uniqueId: () => requestUuid(random),
      };
      const targets = configs.map((config): Target => {
        const sink = sinkOf(config, resource);
        return {
          filter: compileFilter(config.filter, { resource, wanted, regex, random }),
          format: formatOf(sink, context),
          writer: writerOf(sink.path, resource),
        };
      });
      return {
        wants: wanted.asked,
        log(record) {
          onRecord(record);
          for (const { filter, format, writer } of targets) {
            if (filter === undefined || filter(record)) writer.write(format(record));
          }
        },
      };
    },
    append: (path, text, lines) => writers.get(path)?.write(text, lines),
    dropped: () => [...writers.values()].reduce((sum, writer) => sum + writer.dropped, 0),
    reopen: () => [...writers].filter(([, writer]) => !writer.reopen()).map(([path]) => path),
    async close() {
      await Promise.all([...writers.values()].map((writer) => writer.close()));
    },
  };
}

interface Sink {
  readonly path: string;
  readonly format:
    | FileAccessLog['accessLogFormat']
    | { readonly case: 'logFormat'; readonly value: SubstitutionFormatString };
}

function formatOf({ format }: Sink, context: OperatorContext): LineFormat {
  switch (format.case) {
    case 'format':
      return textFormat(format.value, context);
    case 'jsonFormat':
    case 'typedJsonFormat':
      return jsonFormat(format.value, context);
    case 'logFormat':
      return compileFormat(format.value, context);
    case undefined:
      return compileFormat(undefined, context);
  }
}

function sinkOf({ name, configType }: AccessLog, resource: string): Sink {
  if (configType.case !== 'typedConfig')
    throw new ConfigRejectedError(resource, `access log "${name}" has no typed_config`);
  const any = configType.value;
  const where = `${resource}: access log "${name}"`;
  const file = unpack(any, FileAccessLogSchema, where);
  if (file !== undefined) {
    if (file.path === '') throw new ConfigRejectedError(where, 'path is empty');
    return { path: file.path, format: file.accessLogFormat };
  }
  const stdout = unpack(any, StdoutAccessLogSchema, where);
  if (stdout !== undefined) return { path: '/dev/stdout', format: stdout.accessLogFormat };
  const stderr = unpack(any, StderrAccessLogSchema, where);
  if (stderr !== undefined) return { path: '/dev/stderr', format: stderr.accessLogFormat };
  throw new ConfigRejectedError(where, `is of type ${any.typeUrl}; only files and streams are supported`);
}
