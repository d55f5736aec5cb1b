import { isRecord } from '../../source/yaml-values.ts';
import type { Rule } from './rule.ts';

export const meshConfig: Rule<'MeshConfig'> = ({ accessLogEncoding = 'TEXT', accessLogFormat = '' }, { fail }) => {
  const where = ['spec', 'accessLogFormat'];
  if (accessLogEncoding === 'TEXT') {
    if (accessLogFormat.split('%').length % 2 === 0 && !accessLogFormat.includes('('))
      fail('W0013', where, 'has a "%" without its pair', 'Write %% for a percent sign.');
    return;
  }
  if (accessLogFormat === '') return;
  try {
    if (isRecord(JSON.parse(accessLogFormat))) return;
  } catch {
    // Told below.
  }
  fail('W0024', where, 'is no JSON object, though the encoding is JSON', 'Give field names with operators as JSON.');
};
