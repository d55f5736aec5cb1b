import type { DiagnosticView } from '@weft/contracts/console-views';
import { HealthIcon } from '../../ui/badges.tsx';
import { text } from '../../i18n/text.ts';
import styles from './config.module.css';

export const SEVERITY_STATUS = { error: 'failure', warning: 'degraded', info: 'unknown' } as const;

/** What is wrong, where, and what to do. */
export function Findings({ diagnostics }: { readonly diagnostics: readonly DiagnosticView[] }) {
  return (
    <ul className={styles.findings}>
      {diagnostics.map((finding) => (
        <li key={`${finding.code} ${finding.field} ${finding.line}`}>
          <HealthIcon status={SEVERITY_STATUS[finding.severity]} />
          <div>
            <div>{finding.message}</div>
            <div className={styles.where}>
              {finding.code}
              {finding.field !== undefined && (
                <>
                  {' · '}
                  <span className="mono">{finding.field}</span>
                </>
              )}
              {finding.yamlLine !== undefined && (
                <>
                  {' · '}
                  <a href={`#L${finding.yamlLine}`}>{text.config.line(finding.yamlLine)}</a>
                </>
              )}
              {finding.file !== undefined && (
                <>
                  {' · '}
                  <span className="mono">
                    {finding.file}
                    {finding.line !== undefined && `:${finding.line}`}
                  </span>
                </>
              )}
            </div>
            {finding.hint !== undefined && <div className="muted">{finding.hint}</div>}
          </div>
        </li>
      ))}
    </ul>
  );
}
