/** Mixer's Check and Report on the wire. */
import { create } from '@bufbuild/protobuf';
import { DurationSchema } from '@bufbuild/protobuf/wkt';
import { type sendUnaryData, type ServerUnaryCall, status } from '@grpc/grpc-js';
import { GLOBAL_WORDS } from '@weft/contracts';
import {
  type CheckRequest,
  type CheckResponse,
  CheckResponseSchema,
  HeaderOperation_Operation,
  Mixer,
  type ReportRequest,
  type ReportResponse,
  ReportResponseSchema,
} from '@weft/contracts/full/mixer/v1/mixer';
import { createBag } from '@weft/expr';
import { errorMessage, type Logger } from '@weft/kit';
import type { CheckOutcome, Dispatcher, HeaderChange } from '../dispatch/dispatcher.ts';
import {
  type Attributes,
  decodeAttributes,
  decodeReport,
  type DecodedAttributes,
  trackingBag,
} from './attribute-bag.ts';
import { type GrpcService, serviceDefinition } from './grpc.ts';
import { encodeReferences } from './referenced.ts';

export interface MixerServiceDeps {
  readonly dispatcher: Dispatcher;
  readonly logger: Logger;
}

export function createMixerService({ dispatcher, logger }: MixerServiceDeps): GrpcService {
  const known = ({ attributes, unknownWords }: DecodedAttributes): Attributes => {
    if (unknownWords.length > 0)
      logger.warn({ words: unknownWords.slice(0, 10) }, 'attributes use words of no dictionary');
    return attributes;
  };
  const check = async (request: CheckRequest): Promise<CheckResponse> => {
    const bag = trackingBag(request.attributes ? known(decodeAttributes(request.attributes)) : new Map());
    const outcome = await dispatcher.check(bag);
    const count = request.globalWordCount || GLOBAL_WORDS.length;
    const referencedAttributes = encodeReferences(bag.references(), count);
    return create(CheckResponseSchema, {
      precondition: {
        status: outcome.status,
        validDuration: durationOf(outcome.validDurationMs),
        validUseCount: outcome.validUseCount,
        referencedAttributes,
        ...routeDirective(outcome),
      },
      quotas: Object.fromEntries(
        Object.entries(request.quotas).map(([name, { amount }]) => {
          // No handler limits it: all is granted.
          return [name, { grantedAmount: amount, validDuration: durationOf(60_000), referencedAttributes }];
        }),
      ),
    });
  };

  return {
    definition: serviceDefinition(Mixer),
    implementation: {
      check(call: ServerUnaryCall<CheckRequest, CheckResponse>, done: sendUnaryData<CheckResponse>) {
        const refusal = dictionaryRefusal(call.request.globalWordCount);
        if (refusal) return done(refusal);
        void answer(check(call.request), done, logger);
      },
      report(call: ServerUnaryCall<ReportRequest, ReportResponse>, done: sendUnaryData<ReportResponse>) {
        const refusal = dictionaryRefusal(call.request.globalWordCount);
        if (refusal) return done(refusal);
        try {
          dispatcher.report(decodeReport(call.request).map((decoded) => createBag(known(decoded))));
          done(null, create(ReportResponseSchema));
        } catch (error) {
          done(failure(error, logger));
        }
      },
    },
  };
}

async function answer<T>(pending: Promise<T>, done: sendUnaryData<T>, logger: Logger): Promise<void> {
  let response: T;
  try {
    response = await pending;
  } catch (error) {
    done(failure(error, logger));
    return;
  }
  done(null, response);
}

interface Failure {
  readonly code: number;
  readonly details: string;
}

/** A client that knows more words than we do tries again with fewer when it reads this code and the beginning of this text. */
function dictionaryRefusal(globalWordCount: number): Failure | undefined {
  if (globalWordCount <= GLOBAL_WORDS.length) return undefined;
  return {
    code: status.INVALID_ARGUMENT,
    details: `Request could not be processed due to invalid global_word_count ${globalWordCount}: ${GLOBAL_WORDS.length} words are known here`,
  };
}

function failure(error: unknown, logger: Logger): Failure {
  logger.error({ reason: errorMessage(error) }, 'a call of Mixer failed');
  return { code: status.INTERNAL, details: 'the call could not be served' };
}

function durationOf(ms: number) {
  const seconds = Math.floor(ms / 1000);
  return create(DurationSchema, { seconds: BigInt(seconds), nanos: Math.round((ms - seconds * 1000) * 1e6) });
}

const OPERATION = {
  REPLACE: HeaderOperation_Operation.REPLACE,
  REMOVE: HeaderOperation_Operation.REMOVE,
  APPEND: HeaderOperation_Operation.APPEND,
} as const;

function routeDirective({ requestHeaders, responseHeaders }: CheckOutcome) {
  if (requestHeaders.length + responseHeaders.length === 0) return {};
  const wire = ({ name, value, operation }: HeaderChange) => ({ name, value, operation: OPERATION[operation] });
  return {
    routeDirective: {
      requestHeaderOperations: requestHeaders.map(wire),
      responseHeaderOperations: responseHeaders.map(wire),
    },
  };
}
