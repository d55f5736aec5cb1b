/** What fastify itself refuses, in the API's words. */
import type { FastifyError } from 'fastify';
import { ApiError } from '../errors.ts';

const FRAMEWORK: Readonly<Record<string, ApiError>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: new ApiError(413, 'body-too-large', 'The request body is larger than allowed.', {
    hint: 'Apply the configuration in parts.',
  }),
  FST_ERR_CTP_INVALID_MEDIA_TYPE: new ApiError(415, 'json-required', 'The body must be JSON.', {
    hint: 'Send `content-type: application/json`.',
  }),
  FST_ERR_CTP_EMPTY_JSON_BODY: new ApiError(400, 'bad-request', 'The body is empty.'),
  FST_ERR_CTP_INVALID_JSON_BODY: new ApiError(400, 'bad-request', 'The body is not valid JSON.'),
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: new ApiError(400, 'bad-request', 'The length of the body is not as announced.'),
  // It went away, or was cut for being slow, inside its body: nobody hears the answer.
  ECONNRESET: new ApiError(400, 'bad-request', 'The body ended before its end.'),
  FST_ERR_BAD_URL: new ApiError(400, 'bad-request', 'The path is not valid.'),
};

/** @returns undefined for what nobody expected: that is logged, and answered with a request id only. */
export function expectedError(error: unknown): ApiError | undefined {
  if (error instanceof ApiError) return error;
  const { code, validation, validationContext, statusCode } = error as FastifyError;
  const [finding] = validation ?? [];
  if (finding) {
    const path = finding.instancePath.slice(1).replaceAll('/', '.');
    const extra = finding.params?.['additionalProperty'] ?? finding.params?.['missingProperty'];
    const field = [validationContext, path, extra].filter((part) => part !== undefined && part !== '').join('.');
    const message =
      finding.keyword === 'additionalProperties'
        ? 'There is no such field.'
        : `It ${finding.message ?? 'is not valid'}.`;
    return new ApiError(400, 'bad-request', `${field}: ${message}`, { field, hint: 'See /api/openapi.json.' });
  }
  if (code !== undefined && FRAMEWORK[code]) return FRAMEWORK[code];
  if (error instanceof SyntaxError && statusCode === 400)
    return new ApiError(400, 'bad-request', 'The body is not valid JSON.');
  return undefined;
}
