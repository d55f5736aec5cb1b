import type { Static } from 'typebox';
import { matchLabelsSelector, targetRef, targetRefs } from './common.ts';
import { bool, choice, duration, list, map, message, num, opt, text } from './meta.ts';

const mode = () => opt(choice(['CLIENT_AND_SERVER', 'CLIENT', 'SERVER'], { default: 'CLIENT_AND_SERVER' }));
const providers = () => opt(list(message({ name: text({ minLength: 1 }) })));

const METRICS = [
  'ALL_METRICS',
  'REQUEST_COUNT',
  'REQUEST_DURATION',
  'REQUEST_SIZE',
  'RESPONSE_SIZE',
  'TCP_OPENED_CONNECTIONS',
  'TCP_CLOSED_CONNECTIONS',
  'TCP_SENT_BYTES',
  'TCP_RECEIVED_BYTES',
  'GRPC_REQUEST_MESSAGES',
  'GRPC_RESPONSE_MESSAGES',
] as const;

export const TelemetrySpec = message({
  selector: opt(matchLabelsSelector()),
  targetRef: targetRef(),
  targetRefs: targetRefs(),
  tracing: opt(
    list(
      message({
        match: opt(message({ mode: mode() })),
        providers: providers(),
        randomSamplingPercentage: opt(num({ min: 0, max: 100 })),
        disableSpanReporting: opt(bool()),
        customTags: opt(
          map(
            message(
              {
                literal: opt(message({ value: text({ minLength: 1 }) }, { oneof: 'type' })),
                environment: opt(
                  message({ name: text({ minLength: 1 }), defaultValue: opt(text()) }, { oneof: 'type' }),
                ),
                header: opt(message({ name: text({ minLength: 1 }), defaultValue: opt(text()) }, { oneof: 'type' })),
                formatter: opt(message({ value: text({ minLength: 1 }) }, { oneof: 'type', since: '1.27' })),
              },
              { requiredOneofs: ['type'] },
            ),
          ),
        ),
        useRequestIdForTraceSampling: opt(bool({ default: true })),
        enableIstioTags: opt(bool({ since: '1.25', default: true })),
        disableContextPropagation: opt(bool({ since: '1.30' })),
      }),
      { effect: 'not-yet', reason: 'does not change traces yet' },
    ),
  ),
  metrics: opt(
    list(
      message({
        providers: providers(),
        reportingInterval: opt(duration({ default: '5s' })),
        overrides: opt(
          list(
            message({
              match: opt(
                message({
                  metric: opt(choice(METRICS, { oneof: 'metric_match' })),
                  customMetric: opt(text({ oneof: 'metric_match', minLength: 1 })),
                  mode: mode(),
                }),
              ),
              disabled: opt(bool()),
              tagOverrides: opt(
                map(
                  message({
                    operation: opt(choice(['UPSERT', 'REMOVE'], { default: 'UPSERT' })),
                    value: opt(text()),
                  }),
                ),
              ),
            }),
          ),
        ),
      }),
      { effect: 'not-yet', reason: 'does not change metrics yet' },
    ),
  ),
  accessLogging: opt(
    list(
      message({
        match: opt(message({ mode: mode() })),
        providers: providers(),
        disabled: opt(bool()),
        filter: opt(message({ expression: opt(text({ maxLength: 8192 })) })),
      }),
      { test: 'OB-04' },
    ),
  ),
});

/** Which metrics, traces and access logs workloads give. */
export type TelemetrySpec = Static<typeof TelemetrySpec>;
