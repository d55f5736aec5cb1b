import { Switch } from '@mantine/core';
import type { TraceSummary } from '@weft/contracts/console-views';
import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate, useSearch } from '@tanstack/react-router';
import { queries } from '../../api/queries.ts';
import { clockTime, duration } from '../../format/numbers.ts';
import { commands } from '../../i18n/commands.ts';
import { text } from '../../i18n/text.ts';
import type { TracesSearch } from '../../router.tsx';
import { Badge, Tag, Tags } from '../../ui/badges.tsx';
import { type Column, DataTable, Filters, RowName } from '../../ui/data-table.tsx';
import { Choice } from '../../ui/filter-bar.tsx';
import { Card, Empty, Loaded, Page, Quiet } from '../../ui/page.tsx';
import { useSettings } from '../../ui/settings.tsx';
import styles from './traces.module.css';

const LIMIT = 100;
const SLOWER_THAN = [10, 50, 100, 500, 1_000, 5_000];

function columnsFor(longestMs: number): readonly Column<TraceSummary>[] {
  return [
    {
      id: 'operation',
      title: text.columns.operation,
      by: ({ rootService }) => rootService,
      cell: ({ traceId, rootService, rootOperation, errors }) => (
        <>
          <Link to="/traces/$id" params={{ id: traceId }}>
            <RowName>{rootService}</RowName>
          </Link>{' '}
          <span className="muted">{rootOperation}</span>{' '}
          {errors > 0 && <Badge tone="bad">{text.traces.errors(errors)}</Badge>}
        </>
      ),
    },
    {
      id: 'time',
      title: text.columns.time,
      by: ({ startedAt }) => startedAt,
      cell: ({ startedAt }) => <span className="num">{clockTime(startedAt)}</span>,
    },
    { id: 'spans', title: text.columns.spans, right: true, by: ({ spans }) => spans, cell: ({ spans }) => spans },
    {
      id: 'services',
      title: text.columns.services,
      cell: ({ services }) => (
        <Tags>
          {services.map((service) => (
            <Tag key={service}>{service}</Tag>
          ))}
        </Tags>
      ),
    },
    {
      id: 'duration',
      title: text.columns.duration,
      right: true,
      by: ({ durationMs }) => durationMs,
      cell: ({ durationMs, errors }) => (
        <span className={styles.long}>
          {duration(durationMs)}
          <span className={styles.track} aria-hidden>
            <span data-error={errors > 0} style={{ width: `${(durationMs / longestMs) * 100}%` }} />
          </span>
        </span>
      ),
    },
  ];
}

export default function TracesPage() {
  const { windowMs, paused } = useSettings();
  const { service, min, errors } = useSearch({ from: '/traces' });
  const navigate = useNavigate({ from: '/traces' });
  const query = useQuery(
    queries.traces(
      { windowMs, limit: LIMIT, service, minDurationMs: min, errors: errors === true ? true : undefined },
      paused,
    ),
  );
  const names = useQuery(queries.traces({ windowMs, limit: LIMIT }, paused)).data;
  const services = [...new Set(names?.items.flatMap((trace) => trace.services) ?? [])].toSorted();
  const filtered = service !== undefined || min !== undefined || errors === true;
  return (
    <Page title={text.traces.title} command={commands.traces()}>
      <Card flush>
        <Filters>
          <Choice
            label={text.filter.service}
            all={text.filter.anyService}
            value={service}
            options={services.map((value) => ({ value, label: value }))}
            onChange={(value) =>
              void navigate({
                search: ({ service: _former, ...rest }: TracesSearch) =>
                  value === '' ? rest : { ...rest, service: value },
                replace: true,
              })
            }
          />
          <Choice
            label={text.filter.minDuration}
            all={text.filter.anyDuration}
            value={min === undefined ? undefined : String(min)}
            options={SLOWER_THAN.map((ms) => ({ value: String(ms), label: `> ${duration(ms)}` }))}
            onChange={(value) =>
              void navigate({
                search: ({ min: _former, ...rest }: TracesSearch) =>
                  value === '' ? rest : { ...rest, min: Number(value) },
                replace: true,
              })
            }
          />
          <Switch
            size="xs"
            label={text.filter.errorsOnly}
            checked={errors === true}
            onChange={({ currentTarget: { checked } }) =>
              void navigate({
                search: ({ errors: _former, ...rest }: TracesSearch) => (checked ? { ...rest, errors: true } : rest),
                replace: true,
              })
            }
          />
        </Filters>
        <Loaded query={query} height={320}>
          {({ items, total }) => {
            if (items.length === 0)
              return filtered ? (
                <Empty title={text.filter.none} />
              ) : (
                <Empty title={text.empty.traces} how={text.empty.tracesHow} command={commands.demo()} />
              );
            const longestMs = Math.max(...items.map(({ durationMs }) => durationMs), 1);
            return (
              <>
                <DataTable
                  label={text.traces.title}
                  columns={columnsFor(longestMs)}
                  rows={items}
                  rowKey={({ traceId }) => traceId}
                />
                {total > items.length && <Quiet>{text.traces.total(items.length, total)}</Quiet>}
              </>
            );
          }}
        </Loaded>
      </Card>
    </Page>
  );
}
