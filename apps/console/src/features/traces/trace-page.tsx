import type { SpanView, TraceView } from '@weft/contracts/console-views';
import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate, useParams, useSearch } from '@tanstack/react-router';
import { type KeyboardEvent } from 'react';
import { queries } from '../../api/queries.ts';
import { dateTime, duration } from '../../format/numbers.ts';
import { commands } from '../../i18n/commands.ts';
import { text } from '../../i18n/text.ts';
import type { TraceSearch } from '../../router.tsx';
import { Badge, Tag } from '../../ui/badges.tsx';
import { Card, Facts, Loaded, Page, Quiet, Side, Stack } from '../../ui/page.tsx';
import { NodeLink } from '../../ui/traffic-columns.tsx';
import styles from './traces.module.css';
import { type Bar, buildBars, extentOf, marksOf } from './waterfall.ts';

const TONES = 6;
const INDENT_PX = 14;

export default function TracePage() {
  const { id } = useParams({ from: '/traces/$id' });
  const query = useQuery(queries.trace(id));
  const root = query.data?.spans[0];
  const errors = query.data?.spans.filter(({ error }) => error).length ?? 0;
  return (
    <Page
      title={root ? root.service : text.traces.title1}
      crumb={<Link to="/traces">{text.traces.title}</Link>}
      beside={
        <>
          {query.data && <Tag>{duration(query.data.durationMs)}</Tag>}
          {query.data && <span className="muted">{dateTime(query.data.startedAt)}</span>}
          {errors > 0 && <Badge tone="bad">{text.traces.errors(errors)}</Badge>}
        </>
      }
      command={commands.trace(id)}
    >
      <Loaded query={query} height={420}>
        {(trace) => <Waterfall trace={trace} />}
      </Loaded>
    </Page>
  );
}

function Waterfall({ trace }: { readonly trace: TraceView }) {
  const { span: selectedId } = useSearch({ from: '/traces/$id' });
  const navigate = useNavigate({ from: '/traces/$id' });
  const bars = buildBars(trace);
  const extent = extentOf(trace);
  const toneOf = (service: string): string => styles[`tone${trace.services.indexOf(service) % TONES}`] ?? '';
  const selected = trace.spans.find(({ spanId }) => spanId === selectedId);
  const select = (spanId: string): void =>
    void navigate({ search: (former: TraceSearch) => ({ ...former, span: spanId }), replace: true });

  return (
    <Side>
      <Card
        title={text.traces.waterfall}
        flush
        actions={
          <span className={styles.services}>
            {trace.services.map((service) => (
              <span key={service} className={toneOf(service)}>
                <span className={styles.swatch} aria-hidden />
                {service}
              </span>
            ))}
          </span>
        }
      >
        <div className={styles.waterfall} role="listbox" aria-label={text.traces.waterfall}>
          <div className={styles.ruler} aria-hidden>
            <div className={styles.rulerHead}>{text.columns.service}</div>
            <div className={styles.rulerLine}>
              {marksOf(extent).map((ms) => (
                <span key={ms} className="num">
                  {duration(ms)}
                </span>
              ))}
            </div>
          </div>
          {bars.map((bar) => (
            <SpanRow
              key={bar.span.spanId}
              bar={bar}
              tone={toneOf(bar.span.service)}
              selected={bar.span.spanId === selectedId}
              select={select}
            />
          ))}
        </div>
      </Card>
      <Stack>
        <Card title={selected ? selected.service : text.traces.attributes}>
          {selected ? (
            <SpanDetails span={selected} startMs={extent.startMs} />
          ) : (
            <Quiet>{text.traces.selectSpan}</Quiet>
          )}
        </Card>
      </Stack>
    </Side>
  );
}

interface SpanRowProps {
  readonly bar: Bar;
  readonly tone: string;
  readonly selected: boolean;
  readonly select: (spanId: string) => void;
}

function SpanRow({ bar, tone, selected, select }: SpanRowProps) {
  const { span, depth, left, width } = bar;
  const pressed = (event: KeyboardEvent<HTMLDivElement>): void => {
    if (event.key === 'Enter' || event.key === ' ') {
      event.preventDefault();
      select(span.spanId);
      return;
    }
    const step =
      event.key === 'ArrowDown' ? 'nextElementSibling' : event.key === 'ArrowUp' ? 'previousElementSibling' : undefined;
    const next = step && event.currentTarget[step];
    if (!(next instanceof HTMLElement) || next.getAttribute('role') !== 'option') return;
    event.preventDefault();
    focusRow(next);
  };
  return (
    <div
      role="option"
      aria-selected={selected}
      aria-label={`${span.service}, ${text.traces.kind[span.kind]}, ${span.name}, ${duration(span.durationMs)}${span.error ? `, ${text.columns.errors}` : ''}`}
      className={`${styles.row} ${tone}`}
      onClick={() => select(span.spanId)}
      onKeyDown={pressed}
    >
      <div className={styles.name} tabIndex={0}>
        <span className={styles.branch} style={{ marginLeft: 12 + depth * INDENT_PX }} aria-hidden />
        <b>{span.service}</b>
        <span>
          {text.traces.kind[span.kind]} {span.name}
        </span>
      </div>
      <div className={styles.lane}>
        <div className={styles.field}>
          <span
            className={styles.span}
            data-kind={span.kind}
            data-error={span.error}
            style={{ left: `${left}%`, width: `${width}%` }}
          />
          <span className={styles.took} style={{ left: `${left + width}%` }}>
            {duration(span.durationMs)}
          </span>
        </div>
      </div>
    </div>
  );
}

const focusRow = (row: HTMLElement): void => row.querySelector<HTMLElement>('[tabindex]')?.focus();

function SpanDetails({ span, startMs }: { readonly span: SpanView; readonly startMs: number }) {
  const { namespace, workload } = span;
  return (
    <Facts
      rows={[
        [text.columns.operation, `${text.traces.kind[span.kind]} ${span.name}`],
        ...(namespace === undefined || workload === undefined
          ? []
          : [
              [
                text.kind.workload,
                <NodeLink key="workload" kind="workload" namespace={namespace} name={workload} />,
              ] as const,
            ]),
        [text.traces.offset, duration(span.startedAt - startMs)],
        [text.columns.duration, duration(span.durationMs)],
        ...span.attributes.map(
          ({ key, value }) =>
            [
              key,
              <span key={key} className="mono">
                {value}
              </span>,
            ] as const,
        ),
      ]}
    />
  );
}
