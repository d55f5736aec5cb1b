import type { ConfigDocument, DiagnosticView } from '@weft/contracts/console-views';
import { useQuery } from '@tanstack/react-query';
import { Link, useParams } from '@tanstack/react-router';
import { queries } from '../../api/queries.ts';
import { ago } from '../../format/numbers.ts';
import { commands } from '../../i18n/commands.ts';
import { text } from '../../i18n/text.ts';
import { Badge, HealthIcon, Tag } from '../../ui/badges.tsx';
import { Card, Facts, Loaded, Page, Side, Stack } from '../../ui/page.tsx';
import { useNow, useSettings } from '../../ui/settings.tsx';
import { VALIDITY_TONE } from '../../ui/tone.ts';
import styles from './config.module.css';
import { Findings, SEVERITY_STATUS } from './findings.tsx';
import { highlight } from './highlight.ts';

export default function DocumentPage() {
  const { group, kind, ns, name } = useParams({ from: '/config/$group/$kind/$ns/$name' });
  const { paused } = useSettings();
  const query = useQuery(queries.document({ group: group === 'core' ? '' : group, kind, namespace: ns, name }, paused));
  const document = query.data;
  return (
    <Page
      title={name}
      crumb={<Link to="/config">{text.config.title}</Link>}
      beside={
        <>
          <Tag>{kind}</Tag>
          <Tag>{ns}</Tag>
          {document && <Badge tone={VALIDITY_TONE[document.validity]}>{text.validity[document.validity]}</Badge>}
        </>
      }
      command={commands.document(kind, ns, name)}
    >
      <Loaded query={query} height={420}>
        {(data) => (
          <Side>
            <Card title={text.config.yaml} flush>
              <Yaml yaml={data.yaml} diagnostics={data.diagnostics} />
            </Card>
            <Stack>
              <Card title={text.config.findings}>
                {data.diagnostics.length === 0 ? (
                  <p className="muted">{text.config.noFindings}</p>
                ) : (
                  <Findings diagnostics={data.diagnostics} />
                )}
              </Card>
              <Card title={text.workloads.facts}>
                <About document={data} />
              </Card>
            </Stack>
          </Side>
        )}
      </Loaded>
    </Page>
  );
}

function About({ document }: { readonly document: ConfigDocument }) {
  const now = useNow();
  const { group, version, file, line, changedAt } = document;
  return (
    <Facts
      rows={[
        [
          'apiVersion',
          <span key="version" className="mono">
            {group === '' ? version : `${group}/${version}`}
          </span>,
        ],
        ...(file === undefined
          ? []
          : [
              [
                text.columns.source,
                <span key="file" className="mono">
                  {file}
                  {line !== undefined && `:${line}`}
                </span>,
              ] as const,
            ]),
        ...(changedAt === undefined ? [] : [[text.columns.changed, ago(changedAt, now)] as const]),
      ]}
    />
  );
}

interface YamlProps {
  readonly yaml: string;
  readonly diagnostics: readonly DiagnosticView[];
}

function Yaml({ yaml, diagnostics }: YamlProps) {
  return (
    <div className={styles.yaml} tabIndex={0} role="region" aria-label={text.config.yaml}>
      {yaml
        .replace(/\n$/, '')
        .split('\n')
        .map((line, i) => {
          const number = i + 1;
          const here = diagnostics.filter((finding) => finding.yamlLine === number);
          return (
            <div key={number} id={`L${number}`} className={styles.line} data-severity={here[0]?.severity}>
              <span className={styles.gutter} aria-hidden>
                {number}
              </span>
              <span className={styles.code}>
                {highlight(line).map(({ kind, text: part }, at) => (
                  // Tokens of one line have no other identity than their place.
                  <span key={at} className={styles[kind]}>
                    {part}
                  </span>
                ))}
              </span>
              {here.map((finding) => (
                <span key={finding.code} className={styles.finding}>
                  <HealthIcon status={SEVERITY_STATUS[finding.severity]} size={14} />
                  {finding.message}
                </span>
              ))}
            </div>
          );
        })}
    </div>
  );
}
