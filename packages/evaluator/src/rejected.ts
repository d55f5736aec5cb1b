import { errorMessage, WeftError } from '@weft/kit';

/** A resource that can not be put in force. The message starts with the resource and goes into the NACK. */
export class ConfigRejectedError extends WeftError {
  override readonly name = 'ConfigRejectedError';

  /** @param resource for example `RouteConfiguration "9080"`; @param reason names the field. */
  constructor(resource: string, reason: string, options: ErrorOptions = {}) {
    super('WEFT_CONFIG_REJECTED', `${resource}: ${reason}`, { ...options, where: resource });
  }
}

/** Where in a resource a compiler is, so that a refusal can say it. */
export interface Place {
  readonly resource: string;
  readonly path: string;
}

export const at = (place: Place, step: string): Place => ({
  resource: place.resource,
  path: place.path === '' ? step : `${place.path}.${step}`,
});

export function reject(place: Place, reason: string, cause?: unknown): never {
  const text = place.path === '' ? reason : `${place.path}: ${reason}`;
  throw new ConfigRejectedError(
    place.resource,
    cause === undefined ? text : `${text}: ${errorMessage(cause)}`,
    cause === undefined ? {} : { cause },
  );
}

/**
 * Refuses fields that the lean messages do not know. For matchers only: there a field left out would match more than the
 * sender meant.
 */
export function refuseUnknown(
  message: { readonly $unknown?: { readonly no: number }[] | undefined },
  place: Place,
): void {
  const [first] = message.$unknown ?? [];
  if (first !== undefined) reject(place, `field number ${first.no} is not supported here`);
}
