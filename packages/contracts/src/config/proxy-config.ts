import type { Static } from 'typebox';
import { matchLabelsSelector } from './common.ts';
import { int32, map, message, opt, text } from './meta.ts';

export const ProxyConfigSpec = message(
  {
    /** Workloads of this namespace; all of them without one, and those of the whole mesh in the root namespace. */
    selector: opt(matchLabelsSelector()),
    /** Threads that carry a proxy’s traffic; 0 = one per core. */
    concurrency: opt(int32({ min: 0 })),
    environmentVariables: opt(
      map(text(), {
        effect: 'not-yet',
        reason: 'is given to no proxy: proxies on one machine take flags, and nothing of an environment',
        mend: 'Leave it out.',
      }),
    ),
    image: opt(
      message(
        { imageType: opt(text()) },
        {
          effect: 'not-yet',
          reason: 'chooses nothing: proxies on one machine are processes of this installation, without images',
          mend: 'Leave it out.',
        },
      ),
    ),
  },
  { test: 'OP-06' },
);

/** How single proxies run. */
export type ProxyConfigSpec = Static<typeof ProxyConfigSpec>;
