/** Requests, errors and latency over the time range, by uPlot on a canvas; each chart also as a table. */
import 'uplot/dist/uPlot.min.css';
import { ActionIcon, Tooltip, useComputedColorScheme } from '@mantine/core';
import { useElementSize } from '@mantine/hooks';
import type { MetricsView } from '@weft/contracts/console-views';
import { useQuery } from '@tanstack/react-query';
import { ChartLine, Table } from 'lucide-react';
import { useEffect, useRef, useState } from 'react';
import uPlot from 'uplot';
import { queries } from '../api/queries.ts';
import { clockTime, duration, percent, rate } from '../format/numbers.ts';
import { text } from '../i18n/text.ts';
import styles from './charts.module.css';
import { DataTable } from './data-table.tsx';
import { Card, Grid, Loaded } from './page.tsx';
import { useSettings } from './settings.tsx';

type Chart = MetricsView['charts'][number];

const TITLES = { requests: text.charts.requests, errors: text.charts.errors, latency: text.charts.latency } as const;
const FORMAT = { rps: rate, percent, ms: duration } as const;
/** Custom properties of base.css, by position; a line's name stands in the legend too. */
const LINES = ['--weft-accent', '--weft-wait', '--weft-warn'] as const;
const HEIGHT_PX = 160;
const TABLE_ROWS = 20;

interface ChartsProps {
  readonly subject: { readonly namespace?: string; readonly service?: string; readonly workload?: string };
  readonly only?: Chart['metric'];
}

export default function Charts({ subject, only }: ChartsProps) {
  const { windowMs, paused } = useSettings();
  const query = useQuery(queries.metrics(subject, windowMs, paused));
  return (
    <Loaded query={query} height={220}>
      {({ fromMs, stepMs, charts }) => (
        <Grid>
          {charts
            .filter(({ metric }) => only === undefined || metric === only)
            .map((chart) => (
              <ChartCard key={chart.metric} chart={chart} fromMs={fromMs} stepMs={stepMs} />
            ))}
        </Grid>
      )}
    </Loaded>
  );
}

interface ChartCardProps {
  readonly chart: Chart;
  readonly fromMs: number;
  readonly stepMs: number;
}

function ChartCard({ chart, fromMs, stepMs }: ChartCardProps) {
  const [asTable, setAsTable] = useState(false);
  const label = asTable ? text.charts.asChart : text.charts.asTable;
  return (
    <Card
      title={TITLES[chart.metric]}
      flush={asTable}
      actions={
        <Tooltip label={label} withArrow>
          <ActionIcon variant="subtle" color="gray" size="sm" aria-label={label} onClick={() => setAsTable(!asTable)}>
            {asTable ? <ChartLine size={15} /> : <Table size={15} />}
          </ActionIcon>
        </Tooltip>
      }
    >
      {asTable ? (
        <Numbers chart={chart} fromMs={fromMs} stepMs={stepMs} />
      ) : (
        <Lines chart={chart} fromMs={fromMs} stepMs={stepMs} />
      )}
    </Card>
  );
}

function Numbers({ chart, fromMs, stepMs }: ChartCardProps) {
  const length = chart.series[0]?.points.length ?? 0;
  const rows = Array.from({ length }, (_, i) => i)
    .slice(-TABLE_ROWS)
    .reverse();
  const format = FORMAT[chart.unit];
  return (
    <DataTable
      label={TITLES[chart.metric]}
      rows={rows}
      rowKey={String}
      columns={[
        { id: 'time', title: text.columns.time, cell: (i) => clockTime(fromMs + i * stepMs) },
        ...chart.series.map(({ name, points }) => ({
          id: name,
          title: name,
          right: true,
          cell: (i: number) => format(points[i] ?? 0),
        })),
      ]}
    />
  );
}

function Lines({ chart, fromMs, stepMs }: ChartCardProps) {
  const { ref: box, width } = useElementSize<HTMLDivElement>();
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>(undefined);
  const scheme = useComputedColorScheme('light');
  const names = chart.series.map(({ name }) => name).join(' ');

  useEffect(() => {
    if (!place.current || width === 0) return undefined;
    const drawn = new uPlot(optionsOf(chart, width, place.current), [[0]], place.current);
    plot.current = drawn;
    return () => {
      plot.current = undefined;
      drawn.destroy();
    };
    // A new plot only for a new shape; numbers come by setData below.
  }, [names, chart.unit, width, scheme]);

  useEffect(() => {
    const length = chart.series[0]?.points.length ?? 0;
    const times = Array.from({ length }, (_, i) => (fromMs + i * stepMs) / 1000);
    plot.current?.setData([times, ...chart.series.map(({ points }) => [...points])]);
  }, [chart, fromMs, stepMs, width, scheme, names]);

  const format = FORMAT[chart.unit];
  return (
    <div ref={box} className={styles.box}>
      <div ref={place} className={styles.plot} role="img" aria-label={text.charts.label(TITLES[chart.metric])} />
      <ul className={styles.legend}>
        {chart.series.map(({ name, points }, i) => (
          <li key={name}>
            <span className={styles.swatch} data-line={i} aria-hidden />
            {name} <span className="num muted">{format(points.at(-1) ?? 0)}</span>
          </li>
        ))}
      </ul>
    </div>
  );
}

function optionsOf(chart: Chart, width: number, element: Element): uPlot.Options {
  const style = getComputedStyle(element);
  const color = (name: string): string => style.getPropertyValue(name).trim();
  const format = FORMAT[chart.unit];
  const axis = {
    stroke: color('--weft-faint'),
    grid: { stroke: color('--weft-line'), width: 1 },
    ticks: { show: false },
    font: '11px system-ui',
  };
  return {
    width,
    height: HEIGHT_PX,
    legend: { show: false },
    cursor: { y: false, points: { size: 6 } },
    padding: [8, 4, 0, 0],
    scales: { y: { range: (_plot, _min, max) => [0, max > 0 ? max * 1.15 : 1] } },
    axes: [
      { ...axis, size: 26, values: (_plot, times) => times.map((time) => clockTime(time * 1000)), space: 80 },
      { ...axis, size: 56, values: (_plot, values) => values.map((value) => format(value)), space: 36 },
    ],
    series: [
      {},
      ...chart.series.map(({ name }, i) => {
        const stroke = color(LINES[i % LINES.length] ?? LINES[0]);
        return {
          label: name,
          stroke,
          width: 1.75,
          points: { show: false },
          ...(chart.series.length === 1 ? { fill: `color-mix(in srgb, ${stroke} 12%, transparent)` } : {}),
        };
      }),
    ],
  };
}
