/** Policies of Istio 1.4 as their users wrote them: rule, handler and instance, decided by the sidecar that is asked. */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { waitFor } from '@weft/testkit';
import { versionOf, withoutReviews } from '../harness/bookinfo.ts';
import { http } from '../harness/http.ts';
import { samples, startMesh, type TestMesh } from '../harness/mesh.ts';
import { counterSum, scrape } from '../harness/metrics.ts';

const rule = (match: string): string => `
apiVersion: config.istio.io/v1alpha2
kind: denier
metadata: { name: refuse }
spec: { status: { code: 7, message: Not allowed } }
---
apiVersion: config.istio.io/v1alpha2
kind: checknothing
metadata: { name: ask }
spec: {}
---
apiVersion: config.istio.io/v1alpha2
kind: rule
metadata: { name: refuse }
spec:
  match: ${JSON.stringify(match)}
  actions: [{ handler: refuse.denier, instances: [ask.checknothing] }]
`;

describe('MX-05 denier', () => {
  let mesh: TestMesh;
  beforeAll(async () => {
    mesh = await startMesh({ command: 'demo' });
  });
  afterAll(() => mesh?.[Symbol.asyncDispose]());

  const page = async (headers: Record<string, string> = {}): Promise<string> => {
    const { status, body } = await http(`${mesh.gateway}/productpage`, { headers });
    expect(status).toBe(200);
    return body;
  };
  const refusals = async (): Promise<number> =>
    counterSum(
      await scrape((await mesh.workload('ratings-v1')).adminAddress),
      /^istio_requests_total\{.*reporter="destination".*response_code="403"/,
    );

  it('MX-05 denier the deny task: reviews v3 may not ask ratings, v2 may, and v3 may again when the rule is gone', async () => {
    await mesh.applyFile('bookinfo/virtual-service-reviews-v3.yaml');
    expect(versionOf(await page())).toBe('v3');
    const before = await refusals();
    await mesh.applyFile('bookinfo/mixer-deny-reviews-v3.yaml');
    const denied = await page();
    expect([withoutReviews(denied), denied.includes('atings service is currently unavailable')]).toEqual([false, true]);
    expect(await refusals()).toBeGreaterThan(before);
    await mesh.applyFile('bookinfo/virtual-service-reviews-v2.yaml');
    expect(versionOf(await page())).toBe('v2');
    await mesh.applyFile('bookinfo/virtual-service-reviews-v3.yaml');
    expect(await mesh.weft(['delete', 'rule/denyreviewsv3'])).toMatchObject({ code: 0 });
    expect(versionOf(await page())).toBe('v3');
    await mesh.applyFile('bookinfo/virtual-service-reviews-v2.yaml');
  });

  it('MX-05 denier a rule about the request, of the old kinds: the path with a number, not the rest', async () => {
    await mesh.apply(rule('destination.service.name == "details" && match(request.path, "/details/0*")'));
    expect(await page()).toMatch(/product details are currently unavailable/i);
    await mesh.apply(rule('destination.service.name == "details" && match(request.path, "/details/9*")'));
    expect(await page()).not.toMatch(/product details are currently unavailable/i);
    expect(await mesh.weft(['delete', 'rule/refuse'])).toMatchObject({ code: 0 });
  });

  it('MX-05 denier what a sidecar can not decide is said with the attribute, and denies nothing', async () => {
    const applied = await mesh.weft(['apply', '-f', '-'], { input: rule('request.auth.principal == "somebody"') });
    expect([applied.code, applied.stderr]).toEqual([
      0,
      expect.stringMatching(/W0031 .*request\.auth\.principal, which a sidecar does not know/),
    ]);
    expect(await page()).not.toMatch(/unavailable/i);
    const decided = await mesh.weft(['apply', '-f', '-'], { input: rule('request.method == "PUT"') });
    expect([decided.code, decided.stderr]).toEqual([0, '']);
  });

  it('MX-05 metrics and log entries by rules: every request between workloads counts, once on each side', async () => {
    const applied = await mesh.weft(['apply', '-f', join(samples, 'bookinfo/mixer-metrics-and-logs.yaml')]);
    expect([applied.code, applied.stderr]).toEqual([0, '']);
    const counted = async (side: string): Promise<number> =>
      counterSum(
        (await http(`http://127.0.0.1:${mesh.ports.monitoring}/metrics`)).body,
        new RegExp(
          `^istio_double_request_count\\{(?=.*reporter="${side}")(?=.*source="productpage-v1")(?=.*destination="details-v1")(?=.*message="twice the fun")`,
        ),
      );
    const both = async (): Promise<number[]> => [await counted('client'), await counted('server')];
    // What was asked before the rules came is reported a moment later, and may still count.
    let before = await both();
    for (let quietRounds = 0; quietRounds < 3;) {
      await new Promise((resolve) => setTimeout(resolve, 1000));
      const now = await both();
      quietRounds = now.join() === before.join() ? quietRounds + 1 : 0;
      before = now;
    }
    for (let view = 0; view < 10; view += 1) await page();
    const wanted = before.map((count) => count + 20);
    await waitFor(async () => (await both()).every((count, side) => count >= (wanted[side] ?? 0)), {
      what: 'both sides to be counted',
    });
    expect(await both()).toEqual(wanted);
    await waitFor(
      async () => {
        const { stdout } = await mesh.weft(['logs', 'control-plane', '--tail', '200']);
        return /"newlog[^\n]*"responseCode":200/.test(stdout);
      },
      { what: 'the entry in the log', timeoutMs: 20_000 },
    );
    const lacking = `
apiVersion: config.istio.io/v1alpha2
kind: logentry
metadata: { name: lacking }
spec: { severity: '"info"', variables: { key: 'request.headers["x-key"] | "none"' } }
---
apiVersion: config.istio.io/v1alpha2
kind: rule
metadata: { name: lacking }
spec: { actions: [{ handler: newloghandler, instances: [lacking.logentry] }] }
`;
    expect((await mesh.weft(['apply', '-f', '-'], { input: lacking })).stderr).toMatch(
      /W0031 .*lacks request\.headers/,
    );
  });
});
