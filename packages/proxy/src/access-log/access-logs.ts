import { fromBinary } from '@bufbuild/protobuf';
import type { AccessLog } from '@weft/contracts/lean/envoy/config/accesslog/v3/accesslog';
import {
  type FileAccessLog,
  FileAccessLogSchema,
} from '@weft/contracts/lean/envoy/extensions/access_loggers/file/v3/file';
import { ConfigRejectedError } from '@weft/evaluator';
import { errorMessage } from '@weft/kit';
import type { AccessLogger, AccessLogs } from '../ports.ts';
import type { RequestRecord } from '../request-record.ts';
import { compileFormat, jsonFormat, type LineFormat, textFormat } from './format.ts';
import { createLineWriter, type LineWriter, type LineWriterDeps } from './line-writer.ts';
import { compileFilter, type LogFilter } from './log-filter.ts';

export interface AccessLogsDeps extends LineWriterDeps {
  /** Gets every record, for the entries of telemetry. */
  readonly onRecord: (record: RequestRecord) => void;
}

export interface AccessLogsHandle extends AccessLogs {
  /** Lines that found no room or could not be written. */
  dropped(): number;
  close(): Promise<void>;
}

interface Target {
  readonly filter: LogFilter | undefined;
  readonly format: LineFormat;
  readonly writer: LineWriter;
}

/** Loggers of all listeners; those that name the same file share its writer. */
export function createAccessLogs({ onRecord, ...deps }: AccessLogsDeps): AccessLogsHandle {
  const writers = new Map<string, LineWriter>();
  const writerOf = (path: string, resource: string): LineWriter => {
    const former = writers.get(path);
    if (former !== undefined) return former;
    try {
      const made = createLineWriter(path, deps);
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
      const targets = configs.map((config): Target => {
        const file = fileOf(config, resource);
        return {
          filter: compileFilter(config.filter, resource),
          format: formatOf(file, resource),
          writer: writerOf(file.path, resource),
        };
      });
      return {
        log(record) {
          onRecord(record);
          for (const { filter, format, writer } of targets) {
            if (filter === undefined || filter(record)) writer.write(format(record));
          }
        },
      };
    },
    dropped: () => [...writers.values()].reduce((sum, writer) => sum + writer.dropped, 0),
    async close() {
      await Promise.all([...writers.values()].map((writer) => writer.close()));
    },
  };
}

function formatOf({ accessLogFormat }: FileAccessLog, resource: string): LineFormat {
  switch (accessLogFormat.case) {
    case 'format':
      return textFormat(accessLogFormat.value, resource);
    case 'jsonFormat':
    case 'typedJsonFormat':
      return jsonFormat(accessLogFormat.value, resource);
    case 'logFormat':
      return compileFormat(accessLogFormat.value, resource);
    case undefined:
      return compileFormat(undefined, resource);
  }
}

function fileOf({ name, configType }: AccessLog, resource: string) {
  if (configType.case !== 'typedConfig')
    throw new ConfigRejectedError(resource, `access log "${name}" has no typed_config`);
  const { typeUrl, value } = configType.value;
  if (!typeUrl.endsWith(`/${FileAccessLogSchema.typeName}`)) {
    throw new ConfigRejectedError(resource, `access log "${name}" is of type ${typeUrl}; only files are supported`);
  }
  try {
    const file = fromBinary(FileAccessLogSchema, value);
    if (file.path === '') throw new Error('path is empty');
    return file;
  } catch (error) {
    throw new ConfigRejectedError(resource, `access log "${name}" can not be read: ${errorMessage(error)}`);
  }
}
