import { readdirSync, readFileSync } from 'node:fs';
import { configKey, refOf } from '@weft/contracts/config';
import { describe, expect, it } from 'vitest';
import { parseConfig } from './parse-config.ts';
import { formatProblem } from './problems.ts';

const FOLDER = new URL('../../../deploy/samples/bookinfo/', import.meta.url);
const FILES = readdirSync(FOLDER).filter((name) => name.endsWith('.yaml'));
const parse = (name: string) => parseConfig(readFileSync(new URL(name, FOLDER), 'utf8'), name);

describe('Bookinfo samples', () => {
  it('there are some', () => expect(FILES.length).toBeGreaterThan(15));

  it.each(FILES)('%s is valid and fully in effect', (name) => {
    const { objects, problems } = parse(name);
    expect(problems.map(formatProblem)).toEqual([]);
    expect(objects.length).toBeGreaterThan(0);
  });

  it('use the names of the tutorials', () => {
    const keys = FILES.flatMap((name) => parse(name).objects.map(({ object }) => configKey(refOf(object))));
    expect(new Set(keys)).toEqual(
      new Set([
        'Gateway/default/bookinfo-gateway',
        'VirtualService/default/bookinfo',
        ...['productpage', 'reviews', 'ratings', 'details'].flatMap((name) => [
          `VirtualService/default/${name}`,
          `DestinationRule/default/${name}`,
        ]),
        'PeerAuthentication/default/default',
        'AuthorizationPolicy/default/ratings-viewer',
        'instance/default/doublerequestcount',
        'handler/default/doublehandler',
        'rule/default/doubleprom',
        'instance/default/newlog',
        'handler/default/newloghandler',
        'rule/default/newlogstdio',

        'instance/default/denyreviewsv3request',
        'handler/default/denyreviewsv3handler',
        'rule/default/denyreviewsv3',
      ]),
    );
  });

  it('every file is in the README', () => {
    const readme = readFileSync(new URL('README.md', FOLDER), 'utf8');
    // A row names the files of a series by their endings.
    const missing = FILES.filter(
      (name) => !readme.includes(name) && !readme.includes(name.replace('virtual-service-reviews', '')),
    );
    expect(missing).toEqual([]);
  });
});
