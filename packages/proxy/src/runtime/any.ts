import { fromBinary, type DescMessage, type MessageShape } from '@bufbuild/protobuf';
import type { Any } from '@bufbuild/protobuf/wkt';
import { ConfigRejectedError } from '@weft/evaluator';
import { errorMessage } from '@weft/kit';

/** `type.googleapis.com/a.b.C` → `a.b.C`. */
export const typeNameOf = (typeUrl: string): string => typeUrl.slice(typeUrl.lastIndexOf('/') + 1);

/** @returns undefined when it holds another type. @throws {ConfigRejectedError} when its bytes are not valid. */
export function unpack<Desc extends DescMessage>(
  any: Pick<Any, 'typeUrl' | 'value'> | undefined,
  schema: Desc,
  resource: string,
): MessageShape<Desc> | undefined {
  if (any === undefined || typeNameOf(any.typeUrl) !== schema.typeName) return undefined;
  try {
    return fromBinary(schema, any.value);
  } catch (error) {
    throw new ConfigRejectedError(resource, `${schema.typeName} can not be decoded: ${errorMessage(error)}`);
  }
}
