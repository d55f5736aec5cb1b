import { fromBinary, fromJson, type DescMessage, type JsonObject, type MessageShape } from '@bufbuild/protobuf';
import type { Any } from '@bufbuild/protobuf/wkt';
import { TypedStructSchema as UdpaTypedStructSchema } from '@weft/contracts/lean/udpa/type/v1/typed_struct';
import { TypedStructSchema } from '@weft/contracts/lean/xds/type/v3/typed_struct';
import { ConfigRejectedError } from '@weft/evaluator';
import { errorMessage } from '@weft/kit';
import { refuseUnread } from './unread-fields.ts';

/** The configuration of an extension: encoded, or as JSON where its sender did not know the type. */
export type Packed = Pick<Any, 'typeUrl' | 'value'> & { readonly json?: JsonObject };

/** `type.googleapis.com/a.b.C` → `a.b.C`. */
export const typeNameOf = (typeUrl: string): string => typeUrl.slice(typeUrl.lastIndexOf('/') + 1);

/** Takes what is inside a TypedStruct, as EnvoyFilters and istiod send many extensions, for the extension itself. */
export function opened(any: Packed, resource: string): Packed {
  const struct = unpack(any, UdpaTypedStructSchema, resource) ?? unpack(any, TypedStructSchema, resource);
  return struct === undefined ? any : { typeUrl: struct.typeUrl, value: any.value, json: struct.value ?? {} };
}

/** @returns undefined when it holds another type. @throws {ConfigRejectedError} when its bytes are not valid, or say what must not be passed over. */
export function unpack<Desc extends DescMessage>(
  any: Packed | undefined,
  schema: Desc,
  resource: string,
): MessageShape<Desc> | undefined {
  if (any === undefined || typeNameOf(any.typeUrl) !== schema.typeName) return undefined;
  let message: MessageShape<Desc>;
  try {
    message = any.json === undefined ? fromBinary(schema, any.value) : fromJson(schema, any.json);
  } catch (error) {
    throw new ConfigRejectedError(resource, `${schema.typeName} can not be decoded: ${errorMessage(error)}`);
  }
  refuseUnread(message, resource);
  return message;
}
