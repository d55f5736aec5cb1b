import type { Any } from '@bufbuild/protobuf/wkt';
import { FractionalPercent_DenominatorType } from '@weft/contracts/full/envoy/type/v3/percent';
import { CorsPolicySchema } from '@weft/contracts/full/envoy/extensions/filters/http/cors/v3/cors';
import type { CorsPolicy } from '../config-store/kinds.ts';
import { durationMs } from '../model/duration.ts';
import { fromStringMatch, pack } from './envoy.ts';

export function corsPolicy(cors: CorsPolicy): Any {
  const maxAgeMs = durationMs(cors.maxAge);
  return pack(CorsPolicySchema, {
    allowOriginStringMatch: (cors.allowOrigins ?? []).flatMap((origin) => fromStringMatch(origin) ?? []),
    allowMethods: (cors.allowMethods ?? []).join(','),
    allowHeaders: (cors.allowHeaders ?? []).join(','),
    exposeHeaders: (cors.exposeHeaders ?? []).join(','),
    maxAge: maxAgeMs === undefined ? '' : String(Math.trunc(maxAgeMs / 1000)),
    ...(cors.allowCredentials === undefined ? {} : { allowCredentials: cors.allowCredentials }),
    filterEnabled: {
      defaultValue: { numerator: 100, denominator: FractionalPercent_DenominatorType.HUNDRED },
      runtimeKey: '',
    },
    forwardNotMatchingPreflights: cors.unmatchedPreflights !== 'IGNORE',
  });
}
