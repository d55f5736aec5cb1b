import { ActionIcon } from '@mantine/core';
import type { GraphEdge, GraphNode, GraphView, TrafficView } from '@weft/contracts/console-views';
import { Link } from '@tanstack/react-router';
import { ArrowRight, X } from 'lucide-react';
import type { ReactNode } from 'react';
import { accountOf, rate } from '../../format/numbers.ts';
import { text } from '../../i18n/text.ts';
import { Badge, HealthBadge, MtlsBadge, Tag, Toned } from '../../ui/badges.tsx';
import { Facts } from '../../ui/page.tsx';
import { HEALTH_TONE, statusTone } from '../../ui/tone.ts';
import { ErrorShare, FlagWords, latencyText, NodeLink } from '../../ui/traffic-columns.tsx';
import type { Drawn } from './picture.ts';
import styles from './traffic.module.css';

interface SidePanelProps {
  readonly graph: GraphView;
  readonly selected: string | undefined;
  readonly select: (id: string | undefined) => void;
}

export function SidePanel({ graph, selected, select }: SidePanelProps) {
  const node = graph.nodes.find(({ id }) => id === selected);
  const edge = graph.edges.find(({ id }) => id === selected);
  const close = (): void => select(undefined);
  return (
    <aside className={styles.panel} aria-label={text.traffic.details}>
      {node ? (
        <NodePanel node={node} graph={graph} select={select} close={close} />
      ) : (
        edge && <EdgePanel edge={edge} graph={graph} close={close} />
      )}
    </aside>
  );
}

function Head({
  title,
  close,
  children,
}: {
  readonly title: ReactNode;
  readonly close?: () => void;
  readonly children?: ReactNode;
}) {
  return (
    <div className={styles.panelHead}>
      <div>
        <h2>{title}</h2>
        {children}
      </div>
      <span className={styles.spring} />
      {close && (
        <ActionIcon variant="subtle" color="gray" aria-label={text.traffic.close} onClick={close}>
          <X size={16} />
        </ActionIcon>
      )}
    </div>
  );
}

/** Nothing selected: what is not well, in words. */
export function Ill({ nodes, select }: { readonly nodes: Drawn['nodes']; readonly select: (id: string) => void }) {
  const ill = nodes.filter(
    ({ health }) => HEALTH_TONE[health.status] === 'bad' || HEALTH_TONE[health.status] === 'warn',
  );
  if (ill.length === 0) return null;
  return (
    <ul className={`plain ${styles.ill}`} aria-label={text.overview.attention}>
      {ill.map((node) => (
        <li key={node.id}>
          <Badge tone={HEALTH_TONE[node.health.status]} plain>
            <button type="button" className="linkish" onClick={() => select(node.id)}>
              {node.name}
            </button>
          </Badge>{' '}
          <span className="muted">{node.health.why}</span>
        </li>
      ))}
    </ul>
  );
}

interface NodePanelProps {
  readonly node: GraphNode;
  readonly graph: GraphView;
  readonly select: (id: string) => void;
  readonly close: () => void;
}

function NodePanel({ node, graph, select, close }: NodePanelProps) {
  const { id, kind, namespace, name, version, service, health } = node;
  const detailed = kind === 'workload' || kind === 'gateway' || kind === 'service';
  const nameOf = (other: string): string => {
    const found = graph.nodes.find((item) => item.id === other);
    return found?.kind === 'unknown' ? text.kind.unknown : (found?.name ?? other);
  };
  return (
    <>
      <Head title={kind === 'unknown' ? text.kind.unknown : name} close={close}>
        <span className="tagrow">
          {kind !== 'unknown' && <Tag>{text.kind[kind]}</Tag>}
          {namespace !== '' && <Tag>{namespace}</Tag>}
          {version !== undefined && <Tag>{version}</Tag>}
        </span>
      </Head>
      <div className={styles.panelBody}>
        <div>
          <HealthBadge health={health} />
          <p className="muted">{health.why}</p>
        </div>
        {detailed && (
          <div className={styles.links}>
            <NodeLink kind={kind} namespace={namespace} name={name} />
            {service !== undefined && kind === 'workload' && (
              <Link to="/services/$ns/$name" params={{ ns: namespace, name: service }}>
                {text.columns.service} {service}
              </Link>
            )}
            {service !== undefined && (
              <Link to="/traces" search={{ service }}>
                {text.traffic.traces}
              </Link>
            )}
          </div>
        )}
        <Figures
          rows={[
            [text.traffic.inbound, node.inbound],
            [text.traffic.outbound, node.outbound],
          ]}
        />
        <Peers
          title={text.traffic.callers}
          edges={graph.edges.filter(({ target }) => target === id)}
          nameOf={(edge) => nameOf(edge.source)}
          select={select}
        />
        <Peers
          title={text.traffic.callees}
          edges={graph.edges.filter(({ source }) => source === id)}
          nameOf={(edge) => nameOf(edge.target)}
          select={select}
        />
      </div>
    </>
  );
}

interface PeersProps {
  readonly title: string;
  readonly edges: readonly GraphEdge[];
  readonly nameOf: (edge: GraphEdge) => string;
  readonly select: (id: string) => void;
}

function Peers({ title, edges, nameOf, select }: PeersProps) {
  if (edges.length === 0) return null;
  return (
    <div>
      <h3 className={styles.sub}>{title}</h3>
      <div className={styles.figures}>
        {edges.map((edge) => (
          <FigureRow
            key={edge.id}
            name={
              <button type="button" className="linkish" onClick={() => select(edge.id)}>
                {nameOf(edge)}
              </button>
            }
            traffic={edge.traffic}
          />
        ))}
      </div>
    </div>
  );
}

function Figures({ rows }: { readonly rows: readonly (readonly [string, TrafficView])[] }) {
  return (
    <div className={styles.figures}>
      <span className={`${styles.head} ${styles.rowHead}`} />
      <span className={styles.head}>{text.columns.rate}</span>
      <span className={styles.head}>{text.columns.errors}</span>
      <span className={styles.head}>{text.columns.p95}</span>
      {rows.map(([name, traffic]) => (
        <FigureRow key={name} name={name} traffic={traffic} />
      ))}
    </div>
  );
}

const FigureRow = ({ name, traffic }: { readonly name: ReactNode; readonly traffic: TrafficView }) => (
  <>
    <span className={styles.rowHead}>{name}</span>
    <span>{rate(traffic.requestsPerSecond)}</span>
    <span>
      <ErrorShare traffic={traffic} />
    </span>
    <span>{latencyText(traffic.latencyMs?.p95)}</span>
  </>
);

function EdgePanel({
  edge,
  graph,
  close,
}: {
  readonly edge: GraphEdge;
  readonly graph: GraphView;
  readonly close: () => void;
}) {
  const [source, target] = [edge.source, edge.target].map((id) => graph.nodes.find((node) => node.id === id));
  const { traffic, codes, sourcePrincipal, destinationPrincipal, service, protocol, health, mtls, mtlsPercent } = edge;
  return (
    <>
      <Head
        close={close}
        title={
          <>
            {source?.kind === 'unknown' ? text.kind.unknown : source?.name} <ArrowRight size={14} aria-hidden />{' '}
            {target?.name}
          </>
        }
      >
        <span className="tagrow">
          <Tag>{protocol}</Tag>
        </span>
      </Head>
      <div className={styles.panelBody}>
        <div>
          <HealthBadge health={health} />
          <p className="muted">{health.why}</p>
        </div>
        <Figures rows={[[text.traffic.title, traffic]]} />
        <Facts
          rows={[
            [text.columns.p50, latencyText(traffic.latencyMs?.p50)],
            [text.columns.p99, latencyText(traffic.latencyMs?.p99)],
            [
              text.columns.mtls,
              <span key="mtls">
                <MtlsBadge mtls={mtls} /> {mtls === 'mixed' && `${mtlsPercent} %`}
              </span>,
            ],
            ...(service === undefined ? [] : [[text.traffic.host, service] as const]),
            ...(sourcePrincipal === undefined ? [] : [[text.traffic.from, mono(accountOf(sourcePrincipal))] as const]),
            ...(destinationPrincipal === undefined
              ? []
              : [[text.traffic.to, mono(accountOf(destinationPrincipal))] as const]),
          ]}
        />
        {codes.length > 0 && (
          <div>
            <h3 className={styles.sub}>{text.traffic.codes}</h3>
            <Facts
              rows={codes.map(({ code, flag, requestsPerSecond }) => [
                code === '-' ? text.traffic.noAnswer : code,
                <span key={`${code} ${flag}`}>
                  <Toned tone={code === 'TCP' ? 'none' : statusTone(code === '-' ? 0 : Number(code))}>
                    {rate(requestsPerSecond)}
                  </Toned>{' '}
                  {flag !== '-' && <FlagWords flag={flag} />}
                </span>,
              ])}
            />
          </div>
        )}
        <div className={styles.links}>
          {source && source.kind !== 'unknown' && <NodeLink {...source} />}
          {target && <NodeLink {...target} />}
        </div>
      </div>
    </>
  );
}

const mono = (value: string): ReactNode => <span className="mono">{value}</span>;
