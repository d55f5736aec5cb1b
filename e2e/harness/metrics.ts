/** What a proxy has counted. */
import { http } from './http.ts';

/** `/stats`: one `name: value` a line. */
export async function stats(adminAddress: string): Promise<string> {
  const answer = await http(`http://${adminAddress}/stats`);
  if (answer.status !== 200) throw new Error(`${adminAddress}/stats: ${answer.status}`);
  return answer.body;
}

/** The Prometheus page. */
export async function scrape(adminAddress: string): Promise<string> {
  const answer = await http(`http://${adminAddress}/stats/prometheus`);
  if (answer.status !== 200) throw new Error(`${adminAddress}/stats/prometheus: ${answer.status}`);
  return answer.body;
}

/** Sum of the values of all lines (not comments) that match. */
export function counterSum(text: string, pattern: RegExp): number {
  return text
    .split('\n')
    .filter((line) => !line.startsWith('#') && pattern.test(line))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
}
