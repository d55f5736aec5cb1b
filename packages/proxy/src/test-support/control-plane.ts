// A control plane of one test: real ADS and telemetry over mutual TLS, with resources that the test changes.
import { randomUUID } from 'node:crypto';
import type { ServerDuplexStream } from '@grpc/grpc-js';
import { create, type DescMessage, fromJson, type JsonValue, type MessageShape, toBinary } from '@bufbuild/protobuf';
import {
  type ReportRequest,
  type ReportResponse,
  ReportResponseSchema,
  TelemetryService,
} from '@weft/contracts/full/weft/telemetry/v1/telemetry';
import { controlPlaneId } from '@weft/contracts';
import type { TestAuthority } from '@weft/testkit';
import { type AdsServer, grpcMethod, type ResourceView, type XdsResource } from '@weft/xds';
import { serveView } from '@weft/xds/testing';

export const encode = <Desc extends DescMessage>(schema: Desc, json: JsonValue): Uint8Array =>
  toBinary(schema, fromJson(schema, json));

/** An `Any` for the JSON of a message that holds it. protobuf-es wants the message; so it is put in afterwards. */
export const anyOf = <Desc extends DescMessage>(schema: Desc, json: JsonValue) => ({
  $typeName: 'google.protobuf.Any' as const,
  typeUrl: `type.googleapis.com/${schema.typeName}`,
  value: toBinary(schema, fromJson(schema, json)),
});

export const packed = <Desc extends DescMessage>(schema: Desc, message: MessageShape<Desc>) => ({
  $typeName: 'google.protobuf.Any' as const,
  typeUrl: `type.googleapis.com/${schema.typeName}`,
  value: toBinary(schema, message),
});

export type Resources = Readonly<Record<string, Readonly<Record<string, Uint8Array>>>>;

export interface TestControlPlane extends AsyncDisposable {
  readonly address: string;
  readonly ads: AdsServer;
  /** Type URL → name → bytes. */
  set(resources: Resources): void;
  readonly reports: ReportRequest[];
}

export async function startControlPlane(
  authority: TestAuthority,
  resources: Resources,
  port = 0,
): Promise<TestControlPlane> {
  const reports: ReportRequest[] = [];
  const method = grpcMethod(TelemetryService.method.report);
  const report = (stream: ServerDuplexStream<ReportRequest, ReportResponse>): void => {
    stream.on('data', (request: ReportRequest) => {
      reports.push(request);
      stream.write(create(ReportResponseSchema, { intervalMs: 100, ackedSequence: request.sequence }));
    });
    stream.on('error', () => {});
    stream.on('end', () => stream.end());
  };
  const served = await serveView(authority.issue(controlPlaneId()), viewOf(resources), {
    port,
    services: (server) => server.addService({ report: method }, { report }),
  });
  return {
    address: `127.0.0.1:${served.port}`,
    ads: served.ads,
    reports,
    set: (next) => served.source.change(viewOf(next)),
    [Symbol.asyncDispose]: () => served.close(0),
  };
}

function viewOf(resources: Resources): ResourceView {
  const types = new Map(
    Object.entries(resources).map(([typeUrl, byName]) => [
      typeUrl,
      new Map(
        Object.entries(byName).map(([name, bytes]): [string, XdsResource] => [
          name,
          { name, bytes, version: Buffer.from(bytes).toString('base64') },
        ]),
      ),
    ]),
  );
  return { version: randomUUID(), resources: (typeUrl) => types.get(typeUrl) ?? new Map<string, XdsResource>() };
}
